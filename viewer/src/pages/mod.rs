//! Pages that belong to no single role.

mod images;
mod machine;
mod signin;
mod sinogram;

pub use images::ImagesPage;
pub use machine::MachinePage;
pub use signin::SignInPage;
