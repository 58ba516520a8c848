//! A strict reader of JSON (RFC 8259), for the tests alone.

use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Json {
    Null,
    /// As it is written.
    Number(String),
    Text(String),
    Object(BTreeMap<String, Json>),
}

impl std::ops::Index<&str> for Json {
    type Output = Json;

    fn index(&self, key: &str) -> &Json {
        match self {
            Json::Object(members) => members.get(key).unwrap_or_else(|| panic!("no {key} in {self:?}")),
            other => panic!("{other:?} is not an object"),
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::Text(text.to_owned())
    }
}

impl From<i64> for Json {
    fn from(number: i64) -> Json {
        Json::Number(number.to_string())
    }
}

/// Reads lines of one object each.
pub(super) fn lines(text: &str) -> Vec<Json> {
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is cut: {text:?}");
    text.lines()
        .map(|line| parse(line).unwrap_or_else(|at| panic!("not JSON from {at:?} on: {line}")))
        .collect()
}

fn parse(line: &str) -> Result<Json, &str> {
    let (value, rest) = value(line)?;
    if rest.is_empty() && matches!(value, Json::Object(_)) { Ok(value) } else { Err(rest) }
}

fn value(text: &str) -> Result<(Json, &str), &str> {
    if let Some(rest) = text.strip_prefix("null") {
        return Ok((Json::Null, rest));
    }
    match text.bytes().next() {
        Some(b'"') => string(text).map(|(text, rest)| (Json::Text(text), rest)),
        Some(b'{') => object(text),
        Some(b'-' | b'0'..=b'9') => number(text),
        _ => Err(text),
    }
}

fn number(text: &str) -> Result<(Json, &str), &str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let end = digits.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    if end == 0 || end > 1 && digits.starts_with('0') {
        return Err(text);
    }
    let rest = &digits[end..];
    Ok((Json::Number(text[..text.len() - rest.len()].to_owned()), rest))
}

fn string(text: &str) -> Result<(String, &str), &str> {
    let mut out = String::new();
    let mut rest = text.strip_prefix('"').ok_or(text)?;
    loop {
        let mut chars = rest.chars();
        match chars.next().ok_or(rest)? {
            '"' => return Ok((out, chars.as_str())),
            '\\' => match chars.next().ok_or(rest)? {
                'u' => {
                    let digits = chars.as_str().get(..4).ok_or(rest)?;
                    let code = u32::from_str_radix(digits, 16).map_err(|_| rest)?;
                    out.push(char::from_u32(code).ok_or(rest)?);
                    chars = chars.as_str()[4..].chars();
                }
                same @ ('"' | '\\' | '/') => out.push(same),
                _ => return Err(rest),
            },
            '\0'..='\x1f' => return Err(rest),
            other => out.push(other),
        }
        rest = chars.as_str();
    }
}

fn object(text: &str) -> Result<(Json, &str), &str> {
    let mut members = BTreeMap::new();
    let mut rest = text.strip_prefix('{').ok_or(text)?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Ok((Json::Object(members), rest));
    }
    loop {
        let (key, after) = string(rest)?;
        let (member, after) = value(after.strip_prefix(':').ok_or(after)?)?;
        if members.insert(key, member).is_some() {
            return Err(rest);
        }
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok((Json::Object(members), after.strip_prefix('}').ok_or(after)?)),
        }
    }
}

#[test]
fn the_reader_refuses_what_is_not_json() {
    assert_eq!(parse(r#"{"a":"\"\u000a","b":{},"c":-12}"#).map(|json| json["a"].clone()), Ok("\"\n".into()));
    for wrong in
        ["", "{", "{}x", r#"{"a"}"#, r#"{"a":1,}"#, "{\"a\":\"\n\"}", r#"{"a":"\x20"}"#, r#"{"a":01}"#]
    {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
    assert!(parse(r#"{"a":1,"a":1}"#).is_err());
}
