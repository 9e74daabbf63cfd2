//! However a body is cut into chunks, the same parts come out; whatever the bytes, little is held.

use proptest::prelude::*;

use super::*;

/// A part as it was meant.
type Part = (Vec<(String, String)>, Vec<u8>);

fn body(boundary: &str, parts: &[Part]) -> Vec<u8> {
    let mut out = Vec::new();
    for (head, bytes) in parts {
        out.extend(format!("--{boundary}\r\n").bytes());
        for (name, value) in head {
            out.extend(format!("{name}: {value}\r\n").bytes());
        }
        out.extend(b"\r\n");
        out.extend(bytes);
        out.extend(b"\r\n");
    }
    out.extend(format!("--{boundary}--\r\n").bytes());
    out
}

/// What comes out of `bytes` cut at these lengths, over and over; and the most that was ever held.
fn parse(boundary: &str, bytes: &[u8], cuts: &[usize]) -> (Result<(Vec<Part>, bool), Fault>, usize) {
    let (mut parser, mut parts, mut held) = (Parser::new(boundary).unwrap(), Vec::<Part>::new(), 0);
    let (mut rest, mut cuts) = (bytes, cuts.iter().cycle());
    let mut open = false;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at((*cuts.next().unwrap()).clamp(1, rest.len()));
        rest = after;
        parser.push(chunk);
        loop {
            match parser.event() {
                Ok(None) => break,
                Ok(Some(Event::Begin(head))) => {
                    assert!(!std::mem::replace(&mut open, true));
                    parts.push((head.0, Vec::new()));
                }
                Ok(Some(Event::Data(data))) => {
                    assert!(open && !data.is_empty());
                    parts.last_mut().unwrap().1.extend(data);
                }
                Ok(Some(Event::End)) => assert!(std::mem::replace(&mut open, false)),
                Err(fault) => return (Err(fault), held),
            }
        }
        held = held.max(parser.held());
    }
    (Ok((parts, parser.is_whole())), held)
}

fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\r\n--bnd".to_vec()),
        Just(b"\r\n--bnd-X".to_vec()),
        Just(b"\r\n--".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"--".to_vec()),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn head() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec(("[a-z-]{1,12}", "[!-~]{1,20}"), 0..3)
}

proptest! {
    #[test]
    fn the_same_parts_come_out_however_the_body_is_cut(
        parts in prop::collection::vec((head(), fragments()), 0..5),
        cuts in prop::collection::vec(1usize..200, 1..6),
    ) {
        let is_boundary = |bytes: &[u8]| bytes.windows(9).any(|w| w == b"\r\n--bnd-x");
        prop_assume!(!parts.iter().any(|(_, bytes)| is_boundary(bytes)));
        let whole = body("bnd-x", &parts);
        let (parsed, _) = parse("bnd-x", &whole, &cuts);
        prop_assert_eq!(parsed, Ok((parts.clone(), true)));
        // Bytes before and behind mean nothing.
        let around = [b"preamble\r\n", &whole[..], b"epilogue --bnd-x\r\n"].concat();
        prop_assert_eq!(parse("bnd-x", &around, &cuts).0, Ok((parts, true)));
    }

    #[test]
    fn any_bytes_give_the_same_in_one_piece_and_in_many_and_little_is_held(
        pieces in prop::collection::vec(prop_oneof![fragments(), Just(b"\r\n--bnd\r\n".to_vec()),
            Just(b"\r\n--bnd \t\r\n\r\n".to_vec()), Just(b"\r\n--bnd--".to_vec()), Just(b": \r\n\r\n".to_vec())], 0..12),
        cuts in prop::collection::vec(1usize..50, 1..6),
    ) {
        let bytes = pieces.concat();
        let (cut, held) = parse("bnd", &bytes, &cuts);
        let (whole, _) = parse("bnd", &bytes, &[usize::MAX]);
        prop_assert_eq!(cut, whole);
        prop_assert!(held <= MAX_HEAD + 4 + 50);
    }
}

#[test]
fn a_line_that_only_begins_like_the_boundary_is_data() {
    let parts = vec![(Vec::new(), b"a\r\n--bndx\r\nb\r\n--bnd \tc\r\n--bnd-\r\n".to_vec())];
    let (parsed, _) = parse("bnd", &body("bnd", &parts), &[3]);
    assert_eq!(parsed, Ok((parts, true)));
}

#[test]
fn what_ends_early_is_not_whole() {
    let whole = body("b", &[(Vec::new(), vec![7; 100])]);
    let (parsed, _) = parse("b", &whole[..whole.len() - 5], &[10]);
    assert!(matches!(parsed, Ok((_, false))));
}

#[test]
fn heads_are_folded_and_found_whatever_the_case() {
    let bytes = b"--b\r\nContent-Type: application/dicom;\r\n transfer-syntax=*\r\nX: 1\r\n\r\n\r\n--b--";
    let mut parser = Parser::new("b").unwrap();
    parser.push(bytes);
    let Ok(Some(Event::Begin(head))) = parser.event() else { panic!("a part") };
    assert_eq!(head.get("content-type"), Some("application/dicom; transfer-syntax=*"));
    assert_eq!(head.get("y"), None);
}

#[test]
fn hostile_heads_preambles_and_boundaries_are_bounded() {
    let long = [b"--b\r\nx: ", &vec![b'y'; MAX_HEAD * 2][..]].concat();
    let (parsed, held) = parse("b", &long, &[1000]);
    assert_eq!(parsed, Err(Fault::HeadTooLong));
    assert!(held < MAX_HEAD + 2000);
    let many = [b"--b\r\n", "x: y\r\n".repeat(MAX_FIELDS + 1).as_bytes(), b"\r\n"].concat();
    assert_eq!(parse("b", &many, &[1000]).0, Err(Fault::HeadTooLong));
    assert_eq!(parse("b", b"--b\r\nno field\r\n\r\n", &[9]).0, Err(Fault::BadHead));
    assert_eq!(parse("b", &vec![b'-'; MAX_PREAMBLE + 2], &[1000]).0, Err(Fault::Preamble));
    assert_eq!(parse("b", "--b\r\n\r\n\r\n".repeat(MAX_PARTS + 1).as_bytes(), &[8000]).0, Err(Fault::TooManyParts));
    for bad in ["", " ", "a\r\n", "a\"b", &"x".repeat(71), "é"] {
        assert_eq!(Parser::new(bad).err(), Some(Fault::Boundary), "{bad:?}");
    }
}
