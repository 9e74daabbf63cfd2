//! Server-sent events as bytes arrive: frames split anywhere become whole messages. Pure.

/// One dispatched message: its `id` and its `data` lines joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: String,
    pub data: String,
}

/// Longest unfinished message held, in bytes; a peer that never ends one is not listened to further.
const LONGEST: usize = 256 * 1024;

#[derive(Default)]
pub struct Parser {
    held: Vec<u8>,
}

/// The stream broke its own rules; reconnect.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

impl Parser {
    /// Feeds a chunk; messages it completes come back in order. Comments (heartbeats) complete nothing.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<Vec<Message>, TooLong> {
        self.held.extend(chunk.iter().filter(|byte| **byte != b'\r'));
        let mut messages = Vec::new();
        while let Some(end) = self.held.windows(2).position(|pair| pair == b"\n\n") {
            let frame: Vec<u8> = self.held.drain(..end + 2).collect();
            messages.extend(message(&String::from_utf8_lossy(&frame)));
        }
        if self.held.len() > LONGEST {
            return Err(TooLong);
        }
        Ok(messages)
    }
}

fn message(frame: &str) -> Option<Message> {
    let mut id = String::new();
    let mut data: Vec<&str> = Vec::new();
    for line in frame.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => id = value.to_owned(),
            "data" => data.push(value),
            _ => {}
        }
    }
    (!data.is_empty()).then(|| Message { id, data: data.join("\n") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_split_inside_a_character_arrives_whole_and_once() {
        let bytes = "id: 7\nevent: signed\ndata: {\"名\":1}\n\n".as_bytes();
        for cut in 0..bytes.len() {
            let mut parser = Parser::default();
            let mut got = parser.feed(&bytes[..cut]).unwrap();
            got.extend(parser.feed(&bytes[cut..]).unwrap());
            assert_eq!(got, [Message { id: "7".into(), data: "{\"名\":1}".into() }], "cut at {cut}");
        }
    }

    #[test]
    fn heartbeat_comments_are_silent_and_carriage_returns_do_not_matter() {
        let mut parser = Parser::default();
        assert_eq!(parser.feed(b": beat\r\n\r\n").unwrap(), []);
        let got = parser.feed(b"id:1\r\ndata: a\r\ndata: b\r\n\r\n").unwrap();
        assert_eq!(got, [Message { id: "1".into(), data: "a\nb".into() }]);
    }

    #[test]
    fn a_message_without_an_end_is_given_up() {
        let mut parser = Parser::default();
        assert_eq!(parser.feed(&vec![b'x'; LONGEST + 1]), Err(TooLong));
    }
}
