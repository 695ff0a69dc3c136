//! Who may come in: the part of the auditor that counts connections by address, and those that have
//! shown no token. It does not know what those that came in may do.

use roundtable::{CloseCode, Command, ConnId, Peer};

use super::Audit;
use crate::invariant::hold;

impl Audit {
    /// Somebody connects, and this is what the hub says to it, before it is carried out.
    ///
    /// # Panics
    ///
    /// If one is let in that there are too many of, or another one is not, or is told another reason
    /// or another time to wait.
    pub(crate) fn entered(&mut self, conn: ConnId, peer: &Peer, commands: &[Command]) {
        let is_sent_away = |command: &Command| {
            let Command::Close { conn: of, code, .. } = command else { return false };
            *of == conn && matches!(code, CloseCode::Drain | CloseCode::AuthExpired)
        };
        if commands.iter().any(is_sent_away) {
            return;
        }
        let answer = match commands {
            [Command::Refuse { refusal, retry_after, .. }] => Err((*refusal, *retry_after)),
            _ => Ok(()),
        };
        let others = || self.readers.iter().flatten().filter(|reader| reader.conn != conn);
        let unverified = others().filter(|reader| reader.claims.is_none()).count();
        let connections = |key| others().filter(|reader| reader.address == Some(key)).count();
        let who = (peer.address, peer.claims.as_deref());
        let expected = self.addresses.enter(self.moderation.now, who, unverified, connections);
        hold!(
            self.checked,
            Addressed,
            answer == expected,
            "{conn:?}: {answer:?}, not {expected:?}"
        );
    }
}
