//! What a terminal shows of the server's frames. This file does not know where they come from.

use serde_json::Value;

/// The lines that a frame of `roundtable.v1` comes to. What is unknown comes to none.
pub(crate) fn lines(frame: &str) -> Vec<String> {
    let Ok(frame) = serde_json::from_str::<Value>(frame) else {
        return vec![format!("* not understood: {}", printable(frame))];
    };
    let text = |field: &str| printable(frame[field].as_str().unwrap_or_default());
    match frame["type"].as_str().unwrap_or_default() {
        "welcome" => vec![format!("* you are {}", text("user"))],
        "joined" => joined(&frame),
        "left" => vec![format!("* you left {}", text("room"))],
        "message" => vec![message(&frame)],
        "gap" => gap(&frame).into_iter().collect(),
        "error" => vec![format!("* {}: {}", text("code"), text("message"))],
        // The answer to the client's own farewell says nothing new.
        "bye" if frame["code"] == 1000 => Vec::new(),
        "bye" => {
            let back = frame["after_ms"].as_u64();
            let back = back.map(|ms| format!(", come back in {} s", ms.div_ceil(1000)));
            vec![format!(
                "* the server says goodbye: {}{}",
                text("reason"),
                back.unwrap_or_default()
            )]
        }
        _ => Vec::new(),
    }
}

fn joined(frame: &Value) -> Vec<String> {
    let room = printable(frame["room"].as_str().unwrap_or_default());
    let mut lines = vec![format!("* you joined {room}")];
    lines.extend(gap(&frame["gap"]));
    lines.extend(frame["history"].as_array().into_iter().flatten().map(message));
    lines
}

fn message(entry: &Value) -> String {
    let from = printable(entry["from"].as_str().unwrap_or_default());
    let data = &entry["data"];
    let text = data.as_str().or_else(|| data["text"].as_str());
    let text = text.map_or_else(|| data.to_string(), ToOwned::to_owned);
    format!("{from}: {}", printable(&text))
}

fn gap(gap: &Value) -> Option<String> {
    let missing = gap["to"].as_u64()?.checked_sub(gap["from"].as_u64()?)?.checked_add(1)?;
    Some(format!("* {missing} messages are missing here"))
}

/// What others wrote must not steer the terminal.
fn printable(text: &str) -> String {
    let show = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn frames_come_to_lines() {
        let cases: &[(&str, &[&str])] = &[
            (r#"{"type":"welcome","v":1,"user":"ann","max_bytes":32768}"#, &["* you are ann"]),
            (r#"{"type":"message","room":"a","seq":1,"from":"bob","data":"hi"}"#, &["bob: hi"]),
            (r#"{"type":"message","from":"bob","data":{"text":"hi","n":1}}"#, &["bob: hi"]),
            (r#"{"type":"message","from":"bob","data":[1, 2]}"#, &["bob: [1,2]"]),
            (r#"{"type":"message","from":"bob","data":"a\u001b[2Jb\nc"}"#, &["bob: a [2Jb c"]),
            (
                r#"{"type":"joined","room":"lobby","gap":{"from":3,"to":5},
                    "history":[{"seq":6,"from":"eve","data":"old"}]}"#,
                &["* you joined lobby", "* 3 messages are missing here", "eve: old"],
            ),
            (r#"{"type":"gap","room":"a","from":7,"to":7}"#, &["* 1 messages are missing here"]),
            (r#"{"type":"gap","from":0,"to":18446744073709551615}"#, &[]),
            (r#"{"type":"left","room":"lobby"}"#, &["* you left lobby"]),
            (
                r#"{"type":"error","code":"rate_limited","message":"slow down"}"#,
                &["* rate_limited: slow down"],
            ),
            (
                r#"{"type":"bye","code":4002,"reason":"drain","after_ms":3180}"#,
                &["* the server says goodbye: drain, come back in 4 s"],
            ),
            (r#"{"type":"bye","code":1000,"reason":"normal"}"#, &[]),
            (r#"{"type":"later_invention"}"#, &[]),
            ("no json", &["* not understood: no json"]),
        ];
        for (frame, expected) in cases {
            assert_eq!(lines(frame), *expected, "{frame}");
        }
    }
}
