//! What a tag's value is made of, and what a transfer syntax says about it.

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::StandardDataDictionary;

use super::header::Encoding;

/// The dictionary's representation of a tag; UN where it knows none. `signed`: Pixel Representation is 1.
pub(super) fn of(tag: Tag, signed: bool) -> VR {
    match StandardDataDictionary.by_tag(tag).map(|entry| entry.vr()) {
        Some(VirtualVr::Exact(vr)) => vr,
        Some(VirtualVr::Xs) => {
            if signed {
                VR::SS
            } else {
                VR::US
            }
        }
        Some(VirtualVr::Ox | VirtualVr::Px) => VR::OW,
        Some(VirtualVr::Lt) => VR::US,
        _ => VR::UN,
    }
}

/// Explicit representations with a 32-bit length (PS3.5 7.1.2).
pub(super) fn has_long_length(vr: VR) -> bool {
    matches!(
        vr,
        VR::OB
            | VR::OD
            | VR::OF
            | VR::OL
            | VR::OV
            | VR::OW
            | VR::SQ
            | VR::SV
            | VR::UC
            | VR::UN
            | VR::UR
            | VR::UT
            | VR::UV
    )
}

/// LUT Data and Palette Color Lookup Table Data, plain and segmented.
pub(super) fn is_table(tag: Tag) -> bool {
    matches!(
        tag,
        Tag(0x0028, 0x3006) | Tag(0x0028, 0x1201..=0x1204) | Tag(0x0028, 0x1221..=0x1223) | Tag(0x0028, 0x1408)
    )
}

/// Bytes of one number whose order depends on the encoding; 1 for what is no number.
pub(super) fn number_width(vr: VR) -> usize {
    match vr {
        VR::US | VR::SS | VR::OW | VR::AT => 2,
        VR::UL | VR::SL | VR::FL | VR::OL | VR::OF => 4,
        VR::FD | VR::OD | VR::SV | VR::UV | VR::OV => 8,
        _ => 1,
    }
}

/// Big-endian numbers to little-endian ones, in place.
pub(super) fn swap(bytes: &mut [u8], vr: VR) {
    bytes.chunks_exact_mut(number_width(vr)).for_each(<[u8]>::reverse);
}

/// PS3.5 A: everything but implicit, big endian and deflated is explicit little endian.
pub(super) fn declared_encoding(transfer_syntax: &str) -> Encoding {
    match transfer_syntax {
        // The second is a private one of GE, implicit little endian with big-endian pixels.
        "1.2.840.10008.1.2" | "1.2.840.113619.5.2" => Encoding::ImplicitLittle,
        "1.2.840.10008.1.2.2" => Encoding::ExplicitBig,
        _ => Encoding::ExplicitLittle,
    }
}

/// Deflated Explicit VR Little Endian, and the JPIP one (PS3.5 A.5, A.8).
pub(super) fn is_deflated(transfer_syntax: &str) -> bool {
    matches!(transfer_syntax, "1.2.840.10008.1.2.1.99" | "1.2.840.10008.1.2.4.95")
}
