//! Why connections end: the WebSocket close codes of `roundtable.v1`.

/// Why a connection is closed.
///
/// Codes from 4000 to 4499 say «come back», codes from 4500 to 4999 say «don't»; those below 4000
/// are RFC 6455 §7.4.1's. The codes that only a driver's codec can find (1002, 1007, 1009) are here
/// so that every driver uses the same ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseCode {
    /// 1000: the client said `bye`.
    Normal,
    /// 1002: the peer broke RFC 6455.
    Protocol,
    /// 1003: a binary message came; `roundtable.v1` is text.
    NoBinary,
    /// 1007: a text that is not UTF-8.
    BadUtf8,
    /// 1009: a message longer than [`max_message_bytes`](crate::Config::max_message_bytes).
    TooBig,
    /// 1013: the hub is full.
    TryLater,
    /// 4000: nothing was heard for `ping_after` and then `pong_wait`.
    PingTimeout,
    /// 4001: the peer reads too slowly for what it must be told.
    SlowConsumer,
    /// 4002: the server stops; come back when `bye` says.
    Drain,
    /// 4003: the queues of all connections together grew past the budget.
    MemoryPressure,
    /// 4010: the token expired, and no fresh one came.
    AuthExpired,
    /// 4011: the token or its user was revoked, or a user with a token came whose name was made up
    /// here.
    AuthRevoked,
    /// 4029: too many messages refused by the rate limits, or too many frames.
    RateLimited,
    /// 4501: the token that was needed is not valid.
    Unauthorized,
    /// 4502: the token that was needed did not come.
    HelloTimeout,
    /// 4503: another connection came back to the session.
    SessionTaken,
    /// 4504: an operator sent the user away.
    Kicked,
}

/// What becomes of a session whose connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It waits for its client to come back.
    Lost,
    /// It ends.
    Over,
}

impl CloseCode {
    /// Every code, in the order of the numbers.
    pub const ALL: [Self; 17] = [
        Self::Normal,
        Self::Protocol,
        Self::NoBinary,
        Self::BadUtf8,
        Self::TooBig,
        Self::TryLater,
        Self::PingTimeout,
        Self::SlowConsumer,
        Self::Drain,
        Self::MemoryPressure,
        Self::AuthExpired,
        Self::AuthRevoked,
        Self::RateLimited,
        Self::Unauthorized,
        Self::HelloTimeout,
        Self::SessionTaken,
        Self::Kicked,
    ];

    /// What becomes of the session whose connection is closed.
    pub(crate) const fn fate(self) -> Fate {
        match self {
            Self::PingTimeout
            | Self::SlowConsumer
            | Self::MemoryPressure
            | Self::AuthExpired
            | Self::Drain
            | Self::SessionTaken => Fate::Lost,
            Self::Normal
            | Self::Protocol
            | Self::NoBinary
            | Self::BadUtf8
            | Self::TooBig
            | Self::TryLater
            | Self::AuthRevoked
            | Self::RateLimited
            | Self::Unauthorized
            | Self::HelloTimeout
            | Self::Kicked => Fate::Over,
        }
    }

    /// The code on the wire.
    pub const fn number(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::Protocol => 1002,
            Self::NoBinary => 1003,
            Self::BadUtf8 => 1007,
            Self::TooBig => 1009,
            Self::TryLater => 1013,
            Self::PingTimeout => 4000,
            Self::SlowConsumer => 4001,
            Self::Drain => 4002,
            Self::MemoryPressure => 4003,
            Self::AuthExpired => 4010,
            Self::AuthRevoked => 4011,
            Self::RateLimited => 4029,
            Self::Unauthorized => 4501,
            Self::HelloTimeout => 4502,
            Self::SessionTaken => 4503,
            Self::Kicked => 4504,
        }
    }

    /// The reason on the wire, in the close frame and in `bye`.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Protocol => "protocol",
            Self::NoBinary => "no_binary",
            Self::BadUtf8 => "bad_utf8",
            Self::TooBig => "too_big",
            Self::TryLater => "try_later",
            Self::PingTimeout => "ping_timeout",
            Self::SlowConsumer => "slow_consumer",
            Self::Drain => "drain",
            Self::MemoryPressure => "memory_pressure",
            Self::AuthExpired => "auth_expired",
            Self::AuthRevoked => "auth_revoked",
            Self::RateLimited => "rate_limited",
            Self::Unauthorized => "unauthorized",
            Self::HelloTimeout => "hello_timeout",
            Self::SessionTaken => "session_taken",
            Self::Kicked => "kicked",
        }
    }
}
