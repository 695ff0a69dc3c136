//! Settings come from flags, the environment and a file, and every wrong one is one clear line.

use std::io::Write as _;
use std::time::Duration;

use clap::Command;
use roundtable_server::{Invocation, Settings, SettingsError};

fn read(flags: &[&str], environment: &[(&str, &str)]) -> Result<Invocation, SettingsError> {
    let flags = flags.iter().map(Into::into);
    let environment = environment.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    Settings::read(Command::new("roundtable"), flags, environment)
}

fn refusal(flags: &[&str], environment: &[(&str, &str)]) -> (String, u8) {
    let error = read(flags, environment).unwrap_err();
    (error.to_string(), error.exit_code())
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[test]
fn without_a_word_the_defaults_are_in_force() {
    assert_eq!(read(&[], &[]).unwrap().settings, Settings::default());
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file() {
    let file = file("ping_after = \"30s\"\npong_wait = \"9s\"\nrecent = 7\n");
    let path = file.path().to_str().unwrap();
    let environment = [("ROUNDTABLE_PING_AFTER", "40s"), ("ROUNDTABLE_PONG_WAIT", "8s")];
    let settings = read(&["--config", path, "--ping-after", "50s"], &environment).unwrap().settings;
    assert_eq!(settings.hub.ping_after, Duration::from_secs(50));
    assert_eq!(settings.hub.pong_wait, Duration::from_secs(8));
    assert_eq!(settings.hub.recent, 7);
    let by_environment = read(&[], &[("ROUNDTABLE_CONFIG", path)]).unwrap().settings;
    assert_eq!(by_environment.hub.ping_after, Duration::from_secs(30));
}

#[test]
fn what_is_printed_can_be_read_back() {
    let mut flags = vec!["--listen", "0.0.0.0:0"];
    flags.extend(["--allow-origin", "https://a.example,https://b.example"]);
    flags.extend(["--trust-proxy", "10.0.0.0/8,fd00::7", "--proxy-protocol", "true"]);
    flags.extend(["--auth", "required", "--auth-keys", "/etc/chat/key.pem", "--revoked", "gone"]);
    flags.extend(["--auth-audience", "chat", "--auth-issuer", "us"]);
    let settings = read(&flags, &[("ROUNDTABLE_RECENT", "9")]).unwrap().settings;
    let file = file(&settings.to_toml());
    let path = file.path().to_str().unwrap();
    let invocation = read(&["--config", path, "--print-config"], &[]).unwrap();
    assert_eq!(invocation.settings, settings);
    assert!(invocation.print_config);
}

#[test]
fn the_defaults_are_printed_as_people_would_write_them() {
    let printed = Settings::default().to_toml();
    for line in [
        "listen = \"127.0.0.1:8080\"",
        "allow_origin = []",
        "ping_after = \"25s\"",
        "recent = 50",
        "max_message_bytes = \"32KiB\"",
    ] {
        assert!(printed.lines().any(|found| found == line), "{line} is not in\n{printed}");
    }
}

#[test]
fn whatever_can_be_set_has_a_flag_a_variable_and_a_key() {
    let settings = Settings::default();
    let printed = settings.to_toml();
    let keys = printed.lines().filter_map(|line| line.split_once(" = ").map(|(key, _)| key));
    let keys: Vec<&str> = keys.collect();
    let fields = format!("{settings:#?}");
    let fields = fields.lines().filter_map(|line| line.trim().split_once(": "));
    // The two groups are no settings; how far a driver runs ahead is the driver's to say, what a drain
    // leaves follows from where it is kept, and what becomes of binary messages is the author's of the
    // machine.
    let mut fields: Vec<&str> = fields.map(|(field, _)| field).collect();
    fields.retain(|field| !["hub", "wire", "run_ahead", "after_drain", "binary"].contains(field));
    // Whether the hub tells what changes follows from where it is kept, and is called the same.
    fields.sort_unstable();
    fields.dedup();
    assert_eq!(fields.len(), keys.len());
    for field in fields {
        assert!(keys.contains(&field), "{field} cannot be set");
        let value = printed.lines().find_map(|line| line.strip_prefix(&format!("{field} = ")));
        let value = value.unwrap().trim_matches(['"', '[', ']']);
        let flag = format!("--{}", field.replace('_', "-"));
        assert_eq!(read(&[&flag, value], &[]).unwrap().settings, settings);
        let variable = format!("ROUNDTABLE_{}", field.to_uppercase());
        assert_eq!(read(&[], &[(&variable, value)]).unwrap().settings, settings);
    }
}

#[test]
fn a_list_may_be_a_list() {
    let file = file(
        "allow_origin = [\"https://a.example\", \"http://b.example:81\"]\n\
         trust_proxy = [\"10.0.0.0/8\", \"fd00::7\"]",
    );
    let settings = read(&["--config", file.path().to_str().unwrap()], &[]).unwrap().settings;
    assert_eq!(settings.allow_origin.to_string(), "https://a.example,http://b.example:81");
    assert_eq!(settings.trust_proxy.to_string(), "10.0.0.0/8,fd00::7/128");
}

#[test]
fn each_wrong_word_is_one_clear_line() {
    let cases = [
        ("--ping-after", "0s", "must be from 1s to 100 days"),
        ("--ping-after", "soon", "must be a span like 500ms, 25s or 10m"),
        ("--max-rooms", "0", "must be at least 1"),
        ("--sndbuf", "-1", "must be a number, or a size like 64KiB or 1MiB"),
        ("--head-bytes", "1", "must be from 512 to 1048576"),
        ("--close-timeout", "0s", "must be from 10ms to 1h"),
        ("--journal-sync", "never", "must be always or interval"),
        ("--journal-interval", "0s", "must be from 10ms to 1h"),
        ("--journal-segment", "4095", "must be from 4096 to 1073741824"),
        ("--journal-age", "999ms", "must be 1s or more"),
        ("--listen", "8080", "must be an address and a port, like 127.0.0.1:8080"),
        ("--default-room", " ", "a name needs at least one visible character"),
        ("--plain-text", "yes", "must be publish or refuse"),
        (
            "--trust-proxy",
            "10.0.0.0/99",
            "must be networks like 10.0.0.0/8 or fd00::/8, or addresses, separated by commas",
        ),
        ("--proxy-protocol", "true", "needs --trust-proxy CIDR"),
        ("--auth", "on", "must be off, optional or required"),
        ("--auth", "required", "needs --auth-keys FILE, a public key, a JWKS or a secret"),
        ("--auth", "optional", "needs --auth-keys FILE, a public key, a JWKS or a secret"),
        ("--auth-keys", "key.pem", "needs --auth optional or required"),
        ("--auth-audience", "chat", "needs --auth optional or required"),
        ("--auth-issuer", "us", "needs --auth optional or required"),
        ("--admin-listen", "8081", "must be an address and a port, like 127.0.0.1:8080"),
        (
            "--admin-listen",
            "0.0.0.0:8081",
            "needs --admin-token-file FILE, or an address that is loopback",
        ),
        (
            "--admin-listen",
            "[::ffff:10.0.0.1]:8081",
            "needs --admin-token-file FILE, or an address that is loopback",
        ),
        ("--admin-token-file", "token", "needs --admin-listen ADDR"),
        ("--revoked", "revoked", "needs --auth optional or required"),
        (
            "--log",
            "verbose",
            "must be error, warn, info, debug, trace, off, or a filter like roundtable=debug,warn",
        ),
        (
            "--allow-origin",
            "example.org",
            "must be origins like https://example.org, separated by commas, or *",
        ),
    ];
    for (flag, value, remedy) in cases {
        assert_eq!(refusal(&[flag, value], &[]), (format!("{flag} {value}: {remedy}"), 2));
    }
    let (by_environment, _) = refusal(&[], &[("ROUNDTABLE_LOG_FORMAT", "xml")]);
    assert_eq!(by_environment, "ROUNDTABLE_LOG_FORMAT=xml: must be text or json");
    let (unknown, exit_code) = refusal(&["--pong"], &[]);
    assert_eq!(unknown, "unexpected argument '--pong' found; --help tells what there is");
    assert_eq!(exit_code, 2);
}

#[test]
fn operators_are_answered_on_loopback_or_by_a_token() {
    for listen in ["127.0.0.1:0", "127.9.9.9:1", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
        let settings = read(&["--admin-listen", listen], &[]).unwrap().settings;
        let admin = settings.admin().unwrap().expect("a listener");
        assert_eq!(admin.listen, listen.parse().unwrap());
    }
    let with_token = |text: &str| {
        let file = file(text);
        let path = file.path().to_str().unwrap().to_owned();
        let flags = ["--admin-listen", "0.0.0.0:0", "--admin-token-file", &path];
        let fault = |why: String| why.replace(&path, "FILE");
        read(&flags, &[]).unwrap().settings.admin().map_err(fault)
    };
    assert!(with_token("0123456789abcdef\n").unwrap().is_some());
    let wrong = "--admin-token-file FILE: must hold a token of 16 or more visible ASCII characters";
    for text in ["", "0123456789abcde", "0123456789abcdef 0123456789abcdef"] {
        assert_eq!(with_token(text).unwrap_err(), wrong);
    }
    let mut settings = Settings::default();
    assert!(settings.admin().unwrap().is_none());
    settings.admin_listen = Some("127.0.0.1:0".parse().unwrap());
    settings.admin_token_file = Some("/no/such/file".into());
    let missing = "--admin-token-file /no/such/file: No such file or directory (os error 2)";
    assert_eq!(settings.admin().unwrap_err(), missing);
}

#[test]
fn files_are_refused_by_name() {
    let (missing, exit_code) = refusal(&["--config", "/no/such/file"], &[]);
    assert_eq!(missing, "--config /no/such/file: No such file or directory (os error 2)");
    assert_eq!(exit_code, 1);
    for (text, expected) in [
        ("pong = 1", "there is no setting pong"),
        ("recent = \"many\"", "recent = \"many\": must be a number, or a size like 64KiB or 1MiB"),
        ("recent = [7]", "recent = [7]: must be a number, or a size like 64KiB or 1MiB"),
        ("recent = -7", "recent = -7: must be a number, or a size like 64KiB or 1MiB"),
        ("recent = 1000", "--recent 1000: must be at most 256"),
        ("allow_origin = [7]", "allow_origin = [7]: must be a list of texts"),
        ("log_format = \"\"\"a\nb\"\"\"", ": must be text or json"),
        ("recent = ", "TOML parse error"),
    ] {
        let file = file(text);
        let (found, exit_code) = refusal(&["--config", file.path().to_str().unwrap()], &[]);
        assert!(found.contains(expected), "{found}");
        assert!(!found.contains('\n'), "{found}");
        assert_eq!(exit_code, 2);
    }
}

#[test]
fn help_ends_well_and_names_every_setting() {
    let (help, exit_code) = refusal(&["--help"], &[]);
    assert_eq!(exit_code, 0);
    for line in Settings::table_markdown().lines().skip(2) {
        let flag = line.split('`').nth(1).unwrap();
        assert!(help.contains(flag), "{flag} is not in the help");
    }
}
