//! Whose tokens are taken back: a file with a line for each user and each token. This file does not
//! know tokens, nor who is connected.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use roundtable::{AdminAction, Claims, Name, NameError};

/// The users and the tokens that are taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Revoked {
    users: BTreeSet<Name>,
    token_ids: BTreeSet<String>,
}

impl Revoked {
    /// What a file says, in lines like `user ann` and `token 7f3a`; empty lines and those that begin
    /// with `#` say nothing.
    ///
    /// # Errors
    ///
    /// One line that names the file, and the line that is wrong.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let text = fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
        let mut revoked = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            revoked.add(line.trim()).map_err(|why| format!("{shown}: line {number}: {why}"))?;
        }
        Ok(revoked)
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (kind, whose) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        match (kind, whose.trim_start()) {
            ("user", user) => {
                let user = user.parse().map_err(|error: NameError| error.to_string())?;
                self.users.insert(user);
            }
            ("token", token_id) if !token_id.is_empty() => {
                self.token_ids.insert(token_id.to_owned());
            }
            _ => return Err("must be like `user ann` or `token 7f3a`".to_owned()),
        }
        Ok(())
    }

    /// How many users and tokens there are.
    pub(super) fn len(&self) -> usize {
        self.users.len() + self.token_ids.len()
    }

    /// What revokes these claims, if anything does.
    pub(super) fn revokes(&self, claims: &Claims) -> Option<AdminAction> {
        if self.users.contains(&claims.user) {
            return Some(AdminAction::RevokeUser { user: claims.user.clone() });
        }
        let token_id = claims.token_id.as_ref().filter(|id| self.token_ids.contains(*id))?;
        Some(AdminAction::RevokeToken { token_id: token_id.clone() })
    }

    /// What is to be revoked that `before` did not.
    pub(super) fn beyond(&self, before: &Self) -> Vec<AdminAction> {
        let users = self.users.difference(&before.users).cloned();
        let token_ids = self.token_ids.difference(&before.token_ids).cloned();
        users
            .map(|user| AdminAction::RevokeUser { user })
            .chain(token_ids.map(|token_id| AdminAction::RevokeToken { token_id }))
            .collect()
    }
}
