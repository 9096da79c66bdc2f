//! Characters that some browser loses or spoils: they come escaped, and mean the same.

use super::ECHO;
use crate::{
    Servers,
    http::{post, session},
};

/// What is escaped whether JSON demands it or not.
const KILLERS: &[(u32, u32)] = &[
    (0x0000, 0x001f),
    (0x200c, 0x200f),
    (0x2028, 0x202f),
    (0x2060, 0x206f),
    (0xfff0, 0xffff),
];

fn echo(servers: &Servers, messages: &str) -> String {
    let path = session(ECHO);
    post(format!("{path}/xhr"), "").ask(servers).is(200, "o\n");
    post(format!("{path}/xhr_send"), messages)
        .ask(servers)
        .is(204, "");
    let body = post(format!("{path}/xhr"), "").ask(servers).body;
    let frame = body
        .strip_prefix('a')
        .and_then(|body| body.strip_suffix('\n'));
    frame.unwrap_or_else(|| panic!("{body}")).to_owned()
}

pub(crate) fn killers_are_escaped(servers: &Servers) {
    let killers = || KILLERS.iter().flat_map(|(first, last)| *first..=*last);
    let text: String = killers().filter_map(char::from_u32).collect();
    let frame = echo(servers, &serde_json::json!([text]).to_string());
    for killer in killers().filter_map(char::from_u32) {
        assert!(!frame.contains(killer), "{:04x}", u32::from(killer));
    }
    let back: Vec<String> = serde_json::from_str(&frame).unwrap();
    assert_eq!(back, [text]);
}

pub(crate) fn every_character_comes_back(servers: &Servers) {
    let all: String = (0..=0xffff_u32)
        .filter_map(char::from_u32)
        .chain(['😀', '\u{10ffff}'])
        .collect();
    for part in all.chars().collect::<Vec<_>>().chunks(8_192) {
        let text: String = part.iter().collect();
        let frame = echo(servers, &serde_json::json!([text]).to_string());
        let back: Vec<String> = serde_json::from_str(&frame).unwrap();
        assert!(back == [text], "from {:04x}", u32::from(part[0]));
    }
}
