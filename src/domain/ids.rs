//! A type for every id, so that a study is never looked up by a series' number.

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

ids! {
    /// An institution of the county community.
    SiteId
    /// An AE title bound to a site.
    DeviceId
    /// A person who signs in.
    AccountId
    /// A bearer token for a machine.
    TokenId
    /// One set of demographics as a site sent it.
    PatientId
    /// One human being, whom several sets of demographics can be of.
    PersonId
    StudyId
    SeriesId
    InstanceId
    /// A sealed ZIP of a series' instances in the object store.
    PackId
    /// One study to be read.
    CaseId
    ReportId
    QuarantineId
    /// A request to erase a study, or the tombstone it became.
    ErasureId
    /// One request for storage commitment.
    CommitmentId
    /// One exam that was registered before it is made.
    OrderId
}
