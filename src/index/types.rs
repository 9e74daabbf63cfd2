//! How the domain's ids and times travel to and from both engines: as the integer they wrap.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::{Database, Decode, Encode, Type};

use crate::domain::{
    AccountId, CaseId, CommitmentId, DeviceId, ErasureId, InstanceId, Micros, OrderId, PackId, PatientId, PersonId,
    QuarantineId, ReportId, SeriesId, SiteId, StudyId, TokenId,
};

macro_rules! integers {
    ($($name:ident)+) => {$(
        impl<DB: Database> Type<DB> for $name where i64: Type<DB> {
            fn type_info() -> DB::TypeInfo {
                <i64 as Type<DB>>::type_info()
            }
            fn compatible(ty: &DB::TypeInfo) -> bool {
                <i64 as Type<DB>>::compatible(ty)
            }
        }
        impl<'q, DB: Database> Encode<'q, DB> for $name where i64: Encode<'q, DB> {
            fn encode_by_ref(&self, buf: &mut <DB as Database>::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
                <i64 as Encode<'q, DB>>::encode_by_ref(&self.0, buf)
            }
        }
        impl<'r, DB: Database> Decode<'r, DB> for $name where i64: Decode<'r, DB> {
            fn decode(value: <DB as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
                <i64 as Decode<'r, DB>>::decode(value).map(Self)
            }
        }
    )+};
}

integers! {
    AccountId CaseId CommitmentId DeviceId ErasureId InstanceId Micros OrderId PackId PatientId PersonId QuarantineId ReportId SeriesId SiteId StudyId TokenId
}
