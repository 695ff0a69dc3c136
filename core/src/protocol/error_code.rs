//! Why requests are refused. This file does not know how it is told.

use serde::Serialize;

/// Why a request was refused. The names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Not one JSON object, or nested too deep.
    BadJson,
    /// An unknown type, or one that cannot be said now.
    BadType,
    /// A field is missing, twice there, or of the wrong form.
    BadField,
    /// Longer than the server takes.
    TooLarge,
    /// The token is not valid, or one is needed.
    Unauthorized,
    /// The token does not allow it.
    Forbidden,
    /// The token is over; a fresh one is wanted.
    TokenExpired,
    /// The user has as many sessions as it may.
    SessionLimit,
    /// The room is not one of the session's.
    NotJoined,
    /// The user may not join the room for a while; `retry_after_ms` says how long.
    Banned,
    /// What the request is about is not there.
    NotFound,
    /// There are as many bans as there may be.
    BanLimit,
    /// The room has as many members as it may.
    RoomFull,
    /// The session, or the server, has as many rooms as it may.
    RoomLimit,
    /// Too much was sent; `retry_after_ms` says when there is room again.
    RateLimited,
    /// The key of a `publish` stands for other data.
    KeyConflict,
    /// The protocol has it, this server does not.
    Unsupported,
    /// There is no room to answer: the connection reads too slowly.
    Overloaded,
    /// The server stops; nothing new begins.
    Draining,
}

impl ErrorCode {
    /// Every code, in the order of their declaration.
    pub const ALL: [Self; 19] = [
        Self::BadJson,
        Self::BadType,
        Self::BadField,
        Self::TooLarge,
        Self::Unauthorized,
        Self::Forbidden,
        Self::TokenExpired,
        Self::SessionLimit,
        Self::NotJoined,
        Self::Banned,
        Self::NotFound,
        Self::BanLimit,
        Self::RoomFull,
        Self::RoomLimit,
        Self::RateLimited,
        Self::KeyConflict,
        Self::Unsupported,
        Self::Overloaded,
        Self::Draining,
    ];

    /// Whether the same request can succeed if it is made again.
    pub const fn retry(self) -> &'static str {
        match self {
            Self::BadJson
            | Self::BadType
            | Self::BadField
            | Self::TooLarge
            | Self::Unauthorized
            | Self::Forbidden
            | Self::TokenExpired
            | Self::NotJoined
            | Self::NotFound
            | Self::KeyConflict
            | Self::Unsupported => "never",
            Self::SessionLimit
            | Self::Banned
            | Self::BanLimit
            | Self::RoomFull
            | Self::RoomLimit
            | Self::RateLimited
            | Self::Overloaded
            | Self::Draining => "later",
        }
    }
}
