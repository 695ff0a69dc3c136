//! How the values of settings are written and read. This file does not know which settings there
//! are.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use roundtable::{Auth, Name, PlainText};

use crate::journal;

/// A value that can be set by text.
pub(super) trait Value: Sized {
    /// What stands for a value in the help.
    const FORM: &'static str;

    /// Reads a value, or says in a few words what it must be.
    fn read(text: &str) -> Result<Self, String>;

    /// The value as [`Value::read`] takes it.
    fn write(&self) -> String;

    /// Reads a value of a file, which may also be a bare number.
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        match value {
            toml::Value::String(text) => Self::read(text),
            other => Self::read(&other.to_string()),
        }
    }

    /// The value as [`Value::from_toml`] takes it.
    fn to_toml(&self) -> toml::Value {
        toml::Value::String(self.write())
    }
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// The origins whose pages may connect, beside the server's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Whether `origin`, as a browser sends it, is one of them.
    pub fn contains(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
    }
}

impl FromStr for Origins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let origins = text.split([',', ' ']).filter(|origin| !origin.is_empty());
        let origins: Vec<String> = origins.map(str::to_owned).collect();
        if origins.iter().all(|origin| origin == "*" || is_origin(origin)) {
            Ok(Self(origins))
        } else {
            Err("must be origins like https://example.org, separated by commas, or *".into())
        }
    }
}

/// A scheme, a host, and a port that is not the usual one (RFC 6454 §6.2). Browsers write other
/// hosts than ASCII in ASCII.
fn is_origin(text: &str) -> bool {
    let is_part = |part: &str, marks: &[u8]| {
        let is_of = |byte: u8| byte.is_ascii_alphanumeric() || marks.contains(&byte);
        !part.is_empty() && part.bytes().all(is_of)
    };
    text.split_once("://")
        .is_some_and(|(scheme, host)| is_part(scheme, b"+-.") && is_part(host, b"-._~:[]"))
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

/// Networks of addresses, IPv4 and IPv6.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Whether `ip` is in one of them.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Networks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let networks = text.split([',', ' ']).filter(|network| !network.is_empty());
        let networks: Option<Vec<IpNet>> = networks.map(network).collect();
        networks.map(Self).ok_or_else(|| {
            "must be networks like 10.0.0.0/8 or fd00::/8, or addresses, separated by commas".into()
        })
    }
}

/// A network, or one address.
fn network(text: &str) -> Option<IpNet> {
    let network = text.parse().ok().map(|network: IpNet| network.trunc());
    network.or_else(|| text.parse().ok().map(|ip: IpAddr| ip.to_canonical().into()))
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let networks: Vec<String> = self.0.iter().map(IpNet::to_string).collect();
        f.write_str(&networks.join(","))
    }
}

impl Value for bool {
    const FORM: &'static str = "true|false";

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "must be true or false".into())
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::Boolean(*self)
    }
}

impl Value for usize {
    const FORM: &'static str = "N";

    fn read(text: &str) -> Result<Self, String> {
        let (digits, unit) = match text.find(|found: char| !found.is_ascii_digit()) {
            Some(end) => text.split_at(end),
            None => (text, ""),
        };
        let factor: usize = match unit.trim() {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err("must be a number, or a size like 64KiB or 1MiB".into()),
        };
        let number = digits.parse::<usize>().ok().and_then(|number| number.checked_mul(factor));
        number.ok_or_else(|| "must be a number, or a size like 64KiB or 1MiB".into())
    }

    fn write(&self) -> String {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let unit =
            units.iter().find(|(factor, _)| *self >= *factor && self.is_multiple_of(*factor));
        unit.map_or_else(|| self.to_string(), |(factor, unit)| format!("{}{unit}", self / factor))
    }

    fn to_toml(&self) -> toml::Value {
        let text = self.write();
        match text.parse() {
            Ok(number) => toml::Value::Integer(number),
            Err(_) => toml::Value::String(text),
        }
    }
}

impl Value for u32 {
    const FORM: &'static str = "N";

    fn read(text: &str) -> Result<Self, String> {
        usize::read(text)?.try_into().map_err(|_| format!("must be at most {}", u32::MAX))
    }

    fn write(&self) -> String {
        (*self as usize).write()
    }

    fn to_toml(&self) -> toml::Value {
        (*self as usize).to_toml()
    }
}

impl Value for Duration {
    const FORM: &'static str = "SPAN";

    fn read(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text).map_err(|_| "must be a span like 500ms, 25s or 10m".into())
    }

    fn write(&self) -> String {
        humantime::format_duration(*self).to_string()
    }
}

impl Value for SocketAddr {
    const FORM: &'static str = "ADDR";

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "must be an address and a port, like 127.0.0.1:8080".into())
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

/// Nothing is the empty text.
impl Value for Option<SocketAddr> {
    const FORM: &'static str = "ADDR";

    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { SocketAddr::read(text).map(Some) }
    }

    fn write(&self) -> String {
        self.as_ref().map(SocketAddr::to_string).unwrap_or_default()
    }
}

impl Value for Name {
    const FORM: &'static str = "NAME";

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: roundtable::NameError| error.to_string())
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Value for Origins {
    const FORM: &'static str = "ORIGINS";

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        list_from_toml(value)
    }

    fn to_toml(&self) -> toml::Value {
        list_to_toml(&self.0)
    }
}

impl Value for Networks {
    const FORM: &'static str = "CIDR";

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        list_from_toml(value)
    }

    fn to_toml(&self) -> toml::Value {
        list_to_toml(&self.0)
    }
}

/// A list in a file may be one, or a text with commas.
fn list_from_toml<L: FromStr<Err = String>>(value: &toml::Value) -> Result<L, String> {
    let text = match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        _ => None,
    };
    text.ok_or_else(|| "must be a list of texts".to_owned())?.parse()
}

fn list_to_toml(items: &[impl ToString]) -> toml::Value {
    toml::Value::Array(items.iter().map(|item| toml::Value::String(item.to_string())).collect())
}

impl Value for String {
    const FORM: &'static str = "TEXT";

    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn write(&self) -> String {
        self.clone()
    }
}

/// Nothing is the empty text.
impl Value for Option<String> {
    const FORM: &'static str = "TEXT";

    fn read(text: &str) -> Result<Self, String> {
        Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
    }

    fn write(&self) -> String {
        self.clone().unwrap_or_default()
    }
}

/// Nothing is the empty text.
impl Value for Option<PathBuf> {
    const FORM: &'static str = "FILE";

    fn read(text: &str) -> Result<Self, String> {
        Ok(Some(PathBuf::from(text)).filter(|_| !text.is_empty()))
    }

    fn write(&self) -> String {
        self.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
    }
}

impl Value for LogFormat {
    const FORM: &'static str = "text|json";

    fn read(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("must be text or json".into()),
        }
    }

    fn write(&self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Json => "json".into(),
        }
    }
}

impl Value for journal::Sync {
    const FORM: &'static str = "always|interval";

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Value for Auth {
    const FORM: &'static str = "off|optional|required";

    fn read(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "optional" => Ok(Self::Optional),
            "required" => Ok(Self::Required),
            _ => Err("must be off, optional or required".into()),
        }
    }

    fn write(&self) -> String {
        match self {
            Self::Off => "off".into(),
            Self::Optional => "optional".into(),
            Self::Required => "required".into(),
        }
    }
}

impl Value for PlainText {
    const FORM: &'static str = "publish|refuse";

    fn read(text: &str) -> Result<Self, String> {
        match text {
            "publish" => Ok(Self::Publish),
            "refuse" => Ok(Self::Refuse),
            _ => Err("must be publish or refuse".into()),
        }
    }

    fn write(&self) -> String {
        match self {
            Self::Publish => "publish".into(),
            Self::Refuse => "refuse".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_are_read_as_they_are_written() {
        for size in [0, 1, 1000, 1024, 65_536, 1 << 20, 3 << 30] {
            assert_eq!(usize::read(&size.write()), Ok(size));
        }
        assert_eq!(usize::read("64KiB"), Ok(65_536));
        assert!(usize::read("64kb").is_err());
        assert!(usize::read("-1").is_err());
        for millis in [0, 1, 500, 25_000, 600_000] {
            let span = Duration::from_millis(millis);
            assert_eq!(Duration::read(&span.write()), Ok(span));
        }
        assert!(Duration::read("25").is_err());
    }

    #[test]
    fn a_network_has_the_addresses_that_are_in_it() {
        let networks: Networks =
            "10.1.2.3/8, ::ffff:192.0.2.1,fd00::/8 2001:db8::1".parse().unwrap();
        assert_eq!(networks.to_string(), "10.0.0.0/8,192.0.2.1/32,fd00::/8,2001:db8::1/128");
        assert_eq!(Networks::read(&networks.write()), Ok(networks.clone()));
        assert_eq!(Networks::from_toml(&networks.to_toml()), Ok(networks.clone()));
        for (ip, is_in) in [
            ("10.255.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("fd12::1", true),
            ("fe80::1", false),
            ("2001:db8::1", true),
            ("2001:db8::2", false),
        ] {
            assert_eq!(networks.contains(ip.parse().unwrap()), is_in, "{ip}");
        }
        for wrong in ["10.0.0.0/33", "10.0.0", "localhost", "10.0.0.0/", "fd00::/8;", "*"] {
            assert!(wrong.parse::<Networks>().is_err(), "{wrong}");
        }
        assert!(!Networks::default().contains("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn origins_are_compared_whole() {
        let origins: Origins = "https://a.example, http://b.example:8080".parse().unwrap();
        assert!(origins.contains("https://a.example"));
        assert!(origins.contains("HTTP://b.example:8080"));
        assert!(!origins.contains("https://a.example.evil"));
        for wrong in ["https://a.example/path", "https://", "a.example", "https://user@a.example"] {
            assert!(wrong.parse::<Origins>().is_err(), "{wrong}");
        }
    }
}
