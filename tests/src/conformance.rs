//! One script for every runtime, over real sockets: each function here is a test of the server that
//! a [`Runtime`] starts. This file does not know how a runtime works.

#![expect(
    clippy::missing_panics_doc,
    reason = "a case is a test: it panics where a server is wrong"
)]

mod chat;
mod client;
mod doors;
mod echo;
pub mod networks;
mod operators;
mod peers;
mod people;
mod proxied;
mod raw;
pub mod servers;
mod tokens;
pub mod transcript;

use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;
use std::{fmt, io};

use roundtable_server::Settings;

pub use client::Client;
pub use echo::Echo;
pub use proxied::proxy_header;
pub use raw::{Raw, RawFrame, frame, text, upgrade};
pub use tokens::Desk;

use crate::proxy::{Fault, Proxy};
use servers::Ear;

/// How long anything may take before a test gives up: a backstop that is never reached where the
/// server works.
pub const BACKSTOP: Duration = Duration::from_secs(30);

/// Starts a server on a port of its own.
pub type Runtime<'a> = &'a dyn Fn(&Settings) -> Server;

/// Starts a server of whose hub somebody may be told everything.
pub type Start = fn(&Settings, Ear) -> Server;

/// One case, for any runtime.
pub type Case = fn(Runtime<'_>);

/// A server that runs.
pub struct Server {
    /// Where clients find it.
    pub addr: SocketAddr,
    /// Where operators find it, if they do.
    pub admin: Option<SocketAddr>,
    stop: Box<dyn Fn()>,
    reload: Box<dyn Fn()>,
    result: Receiver<io::Result<()>>,
    proxy: Option<Proxy>,
}

impl Server {
    /// Runs `run` on a thread of its own, which returns once `stop` was called and the drain is
    /// over.
    pub fn start(
        addr: SocketAddr,
        stop: impl Fn() + 'static,
        run: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> Self {
        let (tell, result) = mpsc::channel();
        thread::spawn(move || {
            // Nobody listens any more where the test has failed.
            let _unheard = tell.send(run());
        });
        let reload = Box::new(|| panic!("nobody said how"));
        Self { addr, admin: None, stop: Box::new(stop), reload, result, proxy: None }
    }

    /// Puts a network in front of it, at whose other end clients find it.
    #[must_use]
    pub fn behind(self, fault: Fault, seed: u64) -> Self {
        let proxy = Proxy::start(self.addr, fault, seed);
        self.behind_proxy(proxy)
    }

    /// The same, with a proxy that somebody has put up.
    #[must_use]
    pub fn behind_proxy(self, proxy: Proxy) -> Self {
        Self { addr: proxy.addr(), proxy: Some(proxy), ..self }
    }

    /// What has it read its keys again.
    #[must_use]
    pub fn reloading_by(self, reload: impl Fn() + 'static) -> Self {
        Self { reload: Box::new(reload), ..self }
    }

    /// Where operators find it.
    #[must_use]
    pub fn operated_at(self, admin: Option<SocketAddr>) -> Self {
        Self { admin, ..self }
    }

    /// Has it read its keys again.
    pub fn reload(&self) {
        (self.reload)();
    }

    /// Starts the drain.
    pub fn stop(&self) {
        (self.stop)();
    }

    /// Waits for the end of `run`.
    ///
    /// # Panics
    ///
    /// If it returned an error, or does not return.
    pub fn join(self) {
        let result = self.result.recv_timeout(BACKSTOP).expect("`run` returns after the drain");
        result.expect("`run` returns without an error");
    }

    /// Stops at once, and waits for it.
    pub fn shut(self) {
        self.stop();
        self.join();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { addr, proxy, .. } = self;
        f.debug_struct("Server").field("addr", addr).field("proxy", proxy).finish_non_exhaustive()
    }
}

/// The defaults on a port that the system picks, with an end that nobody waits for, and no news of who
/// is there: when they come is the clock's to say.
pub fn settings() -> Settings {
    let mut settings = Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        drain_within: Duration::from_millis(200),
        ..Settings::default()
    };
    settings.wire.close_timeout = Duration::from_millis(200);
    settings.hub.presence_tick = Duration::from_hours(1);
    settings.hub.message_burst = 10_000;
    settings.hub.messages_per_second = 10_000;
    settings.hub.byte_burst = 1 << 28;
    settings.hub.bytes_per_second = 1 << 28;
    settings
}

/// Makes a test of each case, which `$run` is given: a `fn(Case)`. All runtimes go through this one
/// list.
#[macro_export]
macro_rules! conformance {
    ($run:expr) => {
        $crate::conformance_through_networks!($run);
        $crate::conformance!(@cases $run;
            a_reader_that_stops_holds_up_nobody_and_reads_on_later,
            an_address_has_so_many_connections,
            a_proxy_that_is_believed_says_who_its_clients_are,
            a_proxy_header_says_who_the_client_is,
            without_its_proxy_header_a_connection_ends,
            without_a_token_there_is_room_for_so_many,
            a_token_may_stand_in_the_header_in_the_url_or_in_hello,
            a_bad_token_is_refused_before_the_upgrade,
            a_bad_token_in_a_frame_is_unauthorized,
            without_the_token_that_is_needed_the_end_is_4502,
            a_token_that_expires_gives_way_to_a_fresh_one_or_ends_with_4010,
            a_token_allows_what_it_says,
            whoever_is_revoked_is_closed_with_4011,
            a_moderator_kicks_bans_and_removes,
            operators_are_answered_on_a_listener_of_their_own,
            what_clients_do_is_counted,
            that_no_place_is_left_is_counted,
            operators_show_the_token_where_there_is_one,
            operators_look_somebody_up_and_kick,
            what_operators_want_done_is_read_to_its_end,
            operators_who_say_nothing_hold_up_nobody,
        );
    };
    (@cases $run:expr; $($case:ident,)*) => {
        $(
            #[test]
            fn $case() {
                let run: fn($crate::conformance::Case) = $run;
                run($crate::conformance::cases::$case);
            }
        )*
    };
}

/// The same without the cases to which a network between client and server makes a difference.
///
/// Tokens go by the time of day: where a network is slow they would expire on their way. And there is
/// one more: `a_reader_that_stops_holds_up_nobody_and_reads_on_later` sends 16 MB to each of
/// three readers, so that whatever the sockets take in, the log is trimmed past the one that stopped.
/// A network that handles single bytes, or waits for each piece, takes minutes for that. Where the
/// network itself stands still,
/// `who_stands_still_for_a_while_holds_up_nobody_and_is_given_everything` says the same.
#[macro_export]
macro_rules! conformance_through_networks {
    ($run:expr) => {
        $crate::conformance_in_turn!($run);
        $crate::conformance!(@cases $run;
            a_crowd_hears_everything_and_leaves,
            who_comes_and_goes_is_told,
        );
    };
}

/// The same without the case in which several clients speak at the same time: the order of its events
/// is not the script's.
#[macro_export]
macro_rules! conformance_in_turn {
    ($run:expr) => {
        $crate::conformance!(@cases $run;
            two_clients_hear_each_other_and_the_author_is_acknowledged_first,
            rooms_are_apart,
            history_is_read_by_the_page,
            since_recovers_what_was_missed,
            since_tells_of_what_it_cannot_recover,
            plain_text_is_a_message_of_its_own,
            strict_clients_are_told_that_plain_text_is_no_json,
            what_is_wrong_with_a_frame_is_told_and_the_connection_stays,
            who_wants_no_echo_gets_none,
            a_taken_name_gets_a_number,
            bye_is_answered_by_a_normal_close,
            a_drain_says_when_to_come_back_and_ends,
            the_front_door_answers_each_request_as_it_deserves,
            a_foreign_origin_is_refused,
            a_head_that_is_too_long_or_late_is_refused,
            a_first_frame_right_behind_the_request_is_taken,
            the_same_bytes_one_at_a_time_are_taken_too,
            fragments_make_one_message_and_pings_are_answered_between_them,
            a_binary_message_closes_with_1003,
            a_message_that_is_too_long_closes_with_1009,
            what_is_no_utf8_closes_with_1007,
            an_unmasked_frame_closes_with_1002,
            what_was_said_before_a_close_is_answered_before_it,
            a_half_open_peer_is_closed_with_4000,
            a_peer_that_never_answers_the_close_is_gone_after_a_while,
            a_flood_of_empty_fragments_is_closed,
            a_message_that_is_never_finished_is_closed,
            a_lost_session_is_come_back_to,
        );
    };
}

/// The cases, by the names under which they are run.
pub mod cases {
    pub use super::chat::*;
    pub use super::doors::*;
    pub use super::operators::*;
    pub use super::peers::*;
    pub use super::people::*;
    pub use super::proxied::*;
    pub use super::tokens::*;
}
