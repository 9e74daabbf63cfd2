//! Which of the forms this program can make a client would take, the most wanted first (PS3.18 8.7.3).
//!
//! An offer may still fail on what is stored: a frame that does not decode has no other form. Then the next one counts,
//! and after the last the answer is 406.

use super::Ranges;
use crate::dicom::uids;
use crate::pixels::Target;

/// In what form an instance is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The stored bytes.
    Stored,
    /// Explicit VR Little Endian without compression.
    Explicit,
    /// Compressed anew, without loss.
    Coded(Target),
}

/// Forms of an instance stored in `stored`, each with whether parts were asked for.
pub fn instance(ranges: &Ranges, stored: &str) -> Vec<(Form, bool)> {
    let mut offers = Vec::new();
    for range in ranges.iter() {
        let any = range.media == "*/*";
        if !any && !matches!(range.media.as_str(), "application/dicom" | "application/*") {
            continue;
        }
        let mut offer = |form| offers.push((form, range.multipart));
        match range.transfer_syntax.as_deref() {
            Some("*") => offer(Form::Stored),
            Some(wanted) if wanted == stored => offer(Form::Stored),
            Some(uids::EXPLICIT_VR_LITTLE_ENDIAN) => offer(Form::Explicit),
            Some(wanted) => match Target::of(wanted) {
                Some(target) => offer(Form::Coded(target)),
                None => continue,
            },
            None if stored == uids::EXPLICIT_VR_LITTLE_ENDIAN => offer(Form::Stored),
            None => {
                offer(Form::Explicit);
                // Who takes anything gets what cannot be decoded as it is.
                if any {
                    offer(Form::Stored);
                }
            }
        }
    }
    offers
}

/// In what form frames are wanted, and as what media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameForm {
    /// Samples as Explicit VR Little Endian has them.
    Samples,
    /// As they are coded.
    Stored(&'static str),
    Coded(Target),
}

/// Forms of frames stored in `stored`.
///
/// An image type without a transfer syntax means, in the standard's letter, that type's default one; here it also takes
/// frames that are of the type already, whose answer says which transfer syntax they have.
pub fn frames(ranges: &Ranges, stored: &str) -> Vec<(FrameForm, bool)> {
    const OCTETS: &str = "application/octet-stream";
    let coded = media_of(stored);
    let mut offers = Vec::new();
    for range in ranges.iter() {
        let media = range.media.as_str();
        let octets = matches!(media, "*/*" | OCTETS | "application/*");
        let own = coded.filter(|own| media == *own || media == "image/*");
        let asked = range.transfer_syntax.as_deref();
        let as_stored = asked.is_some_and(|wanted| wanted == "*" || wanted == stored);
        let form = match (own, coded) {
            (Some(own), _) if as_stored || asked.is_none() => Some(FrameForm::Stored(own)),
            (None, Some(_)) if octets && as_stored => Some(FrameForm::Stored(OCTETS)),
            _ if octets && matches!(asked, None | Some("*" | uids::EXPLICIT_VR_LITTLE_ENDIAN)) => {
                Some(FrameForm::Samples)
            }
            _ => target(media, asked).map(FrameForm::Coded),
        };
        offers.extend(form.map(|form| (form, range.multipart)));
    }
    offers
}

/// What to compress frames to for an image type.
fn target(media: &str, transfer_syntax: Option<&str>) -> Option<Target> {
    let of_media = Target::ALL.iter().copied().filter(|target| target.media() == media);
    let mut of_media = of_media.filter(|target| match transfer_syntax {
        None | Some("*") => true,
        Some(wanted) => target.transfer_syntax() == wanted,
    });
    of_media.next()
}

/// Media types of coded frames (PS3.18 table 8.7.3-5).
fn media_of(transfer_syntax: &str) -> Option<&'static str> {
    Some(match transfer_syntax {
        uids::JPEG_BASELINE8_BIT | uids::JPEG_EXTENDED12_BIT | uids::JPEG_LOSSLESS | uids::JPEG_LOSSLESS_SV1 => {
            "image/jpeg"
        }
        uids::RLE_LOSSLESS => "image/dicom-rle",
        uids::JPEGLS_LOSSLESS | uids::JPEGLS_NEAR_LOSSLESS => "image/jls",
        uids::JPEG2000_LOSSLESS | uids::JPEG2000 => "image/jp2",
        uids::HTJ2K_LOSSLESS | uids::HTJ2K_LOSSLESS_RPCL | uids::HTJ2K => "image/jphc",
        _ => return None,
    })
}

/// As what a rendered image travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    Jpeg,
    Png,
}

impl Image {
    pub const fn media(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }
}

/// What a rendering may be sent as, and whether in parts (PS3.18 8.7.4); JPEG where either will do.
pub fn images(ranges: &Ranges) -> Option<(Image, bool)> {
    ranges.iter().find_map(|range| match range.media.as_str() {
        "*/*" => Some((Image::Jpeg, false)),
        "image/*" | "image/jpeg" => Some((Image::Jpeg, range.multipart)),
        "image/png" => Some((Image::Png, range.multipart)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderValue, header};

    use super::*;

    fn of(text: &'static str) -> Ranges {
        Ranges::of(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(text))]), None)
    }

    const JPEG: &str = "1.2.840.10008.1.2.4.50";
    const IMPLICIT: &str = "1.2.840.10008.1.2";
    const EXPLICIT: &str = "1.2.840.10008.1.2.1";

    #[test]
    fn an_instance_comes_as_the_client_can_read_it() {
        let stored = of("multipart/related; type=\"application/dicom\"; transfer-syntax=*");
        assert_eq!(instance(&stored, JPEG), [(Form::Stored, true)]);
        let default = of("multipart/related; type=\"application/dicom\"");
        assert_eq!(instance(&default, JPEG), [(Form::Explicit, true)]);
        assert_eq!(instance(&default, EXPLICIT), [(Form::Stored, true)]);
        assert_eq!(instance(&of("application/dicom"), IMPLICIT), [(Form::Explicit, false)]);
        assert_eq!(instance(&of("*/*"), JPEG), [(Form::Explicit, true), (Form::Stored, true)]);
        assert_eq!(instance(&of("text/html"), JPEG), []);
        assert_eq!(instance(&of("application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90"), JPEG), []);
    }

    #[test]
    fn several_ranges_are_tried_in_the_order_of_their_quality() {
        let choosy = of("application/dicom;transfer-syntax=1.2.840.10008.1.2.4.50;q=0.2, \
             application/dicom;transfer-syntax=1.2.840.10008.1.2.4.201, application/dicom;q=0.5");
        let forms: Vec<Form> = instance(&choosy, JPEG).into_iter().map(|(form, _)| form).collect();
        assert_eq!(forms, [Form::Coded(Target::Htj2k), Form::Explicit, Form::Stored]);
    }

    #[test]
    fn frames_come_as_samples_as_they_are_coded_or_coded_anew() {
        let one = |text, stored| frames(&of(text), stored).into_iter().map(|(form, _)| form).next();
        let octets = "multipart/related; type=\"application/octet-stream\"";
        assert_eq!(one(octets, JPEG), Some(FrameForm::Samples));
        assert_eq!(one("multipart/related; type=\"image/jpeg\"", JPEG), Some(FrameForm::Stored("image/jpeg")));
        assert_eq!(one("image/jls", JPEG), Some(FrameForm::Coded(Target::JpegLs)));
        assert_eq!(one("image/jphc", EXPLICIT), Some(FrameForm::Coded(Target::Htj2k)));
        let rpcl = "image/jphc; transfer-syntax=1.2.840.10008.1.2.4.202";
        assert_eq!(one(rpcl, EXPLICIT), Some(FrameForm::Coded(Target::Htj2kRpcl)));
        assert_eq!(one("image/jpeg", EXPLICIT), None, "nothing here makes a lossless JPEG");
        assert_eq!(one("image/jp2; transfer-syntax=*", JPEG), None);
        let any = "multipart/related; type=\"application/octet-stream\"; transfer-syntax=*";
        assert_eq!(one(any, JPEG), Some(FrameForm::Stored("application/octet-stream")));
        assert_eq!(one(any, IMPLICIT), Some(FrameForm::Samples));
    }

    #[test]
    fn a_rendering_is_a_jpeg_unless_only_png_will_do() {
        assert_eq!(images(&of("*/*")), Some((Image::Jpeg, false)));
        assert_eq!(images(&of("image/jpeg;q=0.5, image/png")), Some((Image::Png, false)));
        assert_eq!(images(&of("multipart/related; type=\"image/png\"")), Some((Image::Png, true)));
        assert_eq!(images(&of("image/gif, text/html")), None);
    }
}
