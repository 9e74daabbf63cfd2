//! Exams that a site registers before they are made (检查登记), for its devices to take from the worklist.

use crate::{Place, Sex, Urgency, message, words};

words! {
    /// Where a registered exam stands.
    pub enum OrderState {
        /// On the worklist of the site's devices.
        Scheduled = "scheduled",
        /// A device has begun it, or its first image is here.
        Started = "started",
        /// Its device has ended it, or its study is complete.
        Done = "done",
        Cancelled = "cancelled",
    }
}

impl OrderState {
    /// Devices are offered it.
    pub const fn is_open(self) -> bool {
        matches!(self, OrderState::Scheduled | OrderState::Started)
    }
}

message! {
    /// `POST /api/v1/orders`, and inside of [`OrderChange`].
    pub struct OrderForm {
        /// As people write it.
        pub name: String,
        /// How it sounds in Latin letters, family name first; empty: as its characters are mostly read.
        #[serde(default)]
        pub latin: String,
        /// Empty: one is given.
        #[serde(default)]
        pub pid: String,
        /// Who gave that number; empty: the site.
        #[serde(default)]
        pub issuer: String,
        pub sex: Sex,
        /// `YYYY-MM-DD`, or empty.
        #[serde(default)]
        pub birth_date: String,
        #[serde(default)]
        pub national_id: String,
        /// Empty: one is given.
        #[serde(default)]
        pub accession: String,
        /// What is asked for, e.g. 胸部 CT 平扫.
        pub exam: String,
        #[serde(default)]
        pub body_part: String,
        /// Needed where no device is named.
        #[serde(default)]
        pub modality: String,
        /// None: any device of the site.
        #[serde(default)]
        pub device: Option<i64>,
        /// `YYYY-MM-DD` and `HH:MM` by the center's clock; empty: today, now.
        #[serde(default)]
        pub day: String,
        #[serde(default)]
        pub time: String,
        #[serde(default)]
        pub question: String,
        pub urgency: Urgency,
        /// The doctor who asks for it.
        #[serde(default)]
        pub requester: String,
        /// Who is to make it.
        #[serde(default)]
        pub performer: String,
    }

    /// `PUT /api/v1/orders/{order}`
    pub struct OrderChange {
        /// Of the order as the caller saw it.
        pub version: i64,
        pub form: OrderForm,
    }

    /// `POST /api/v1/orders/{order}/cancel`
    pub struct OrderCancel {
        pub version: i64,
    }

    pub struct OrderRow {
        pub order: i64,
        pub state: OrderState,
        pub version: i64,
        pub site: Place,
        /// That its images are to have.
        pub study_uid: String,
        /// The case it became.
        pub case: Option<i64>,
        /// AE title of the device it is meant for.
        pub device_ae: String,
        pub registered_us: i64,
        pub registered_by: String,
        pub started_us: Option<i64>,
        pub done_us: Option<i64>,
        pub cancelled_us: Option<i64>,
        /// Everything that was registered, with what was given.
        pub form: OrderForm,
    }

    /// A device that an exam can be registered for.
    pub struct OrderDevice {
        pub device: i64,
        pub ae_title: String,
        pub modality: String,
    }

    /// `GET /api/v1/orders?day=`
    pub struct OrderList {
        /// `YYYY-MM-DD`
        pub day: String,
        /// By the center's clock.
        pub today: String,
        /// Of that day; where it is today, also those of earlier days that devices are still offered.
        pub orders: Vec<OrderRow>,
        pub devices: Vec<OrderDevice>,
        pub now_us: i64,
        pub seq: i64,
    }
}
