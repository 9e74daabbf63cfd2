//! Transfer syntaxes that frames can be compressed to, all without loss.

use crate::dicom::uids;

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Target {
    /// PS3.5 G
    Rle,
    /// ISO/IEC 14495-1
    JpegLs,
    /// ISO/IEC 15444-15
    Htj2k,
    /// The same, resolution by resolution, with the lengths of its tiles at its front (PS3.5 10.18).
    Htj2kRpcl,
}

impl Target {
    /// The first of a media type is its default (PS3.18 table 8.7.3-5).
    pub const ALL: [Self; 4] = [Self::Rle, Self::JpegLs, Self::Htj2k, Self::Htj2kRpcl];

    pub const fn transfer_syntax(self) -> &'static str {
        match self {
            Self::Rle => uids::RLE_LOSSLESS,
            Self::JpegLs => uids::JPEGLS_LOSSLESS,
            Self::Htj2k => uids::HTJ2K_LOSSLESS,
            Self::Htj2kRpcl => uids::HTJ2K_LOSSLESS_RPCL,
        }
    }

    pub const fn media(self) -> &'static str {
        match self {
            Self::Rle => "image/dicom-rle",
            Self::JpegLs => "image/jls",
            Self::Htj2k | Self::Htj2kRpcl => "image/jphc",
        }
    }

    pub fn of(transfer_syntax: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.transfer_syntax() == transfer_syntax)
    }
}
