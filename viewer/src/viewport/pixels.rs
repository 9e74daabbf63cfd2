//! One decoded frame, where the browser keeps it.
//!
//! Stored values stay in the typed array the decode worker made, JPEG frames in the bitmap the browser decoded: both go to
//! the GPU without a copy through this module's memory, which never shrinks.

use js_sys::{Int16Array, Int32Array, Object, Uint8Array, Uint16Array, Uint32Array};
use pixel::{Data, Samples};
use wasm_bindgen::JsCast;
use web_sys::ImageBitmap;

#[derive(Debug)]
pub enum Store {
    U8(Uint8Array),
    U16(Uint16Array),
    I16(Int16Array),
    U32(Uint32Array),
    I32(Int32Array),
    /// Red, green, blue bytes.
    Rgb(Uint8Array),
    Bitmap(ImageBitmap),
}

#[derive(Debug)]
pub struct Pixels {
    pub columns: u32,
    pub rows: u32,
    pub store: Store,
}

impl Pixels {
    /// What a decode worker sent back; `None` where it is not what the layout promised.
    pub fn from_worker(array: Object, columns: u32, rows: u32, per_pixel: u16) -> Option<Self> {
        let array = match array.dyn_into::<Uint8Array>() {
            Ok(bytes) if per_pixel == 1 => return Self::of(columns, rows, 1, bytes.length(), Store::U8(bytes)),
            Ok(bytes) => return Self::of(columns, rows, 3, bytes.length(), Store::Rgb(bytes)),
            Err(other) => other,
        };
        let array = match array.dyn_into::<Uint16Array>() {
            Ok(a) => return Self::of(columns, rows, 1, a.length(), Store::U16(a)),
            Err(other) => other,
        };
        let array = match array.dyn_into::<Int16Array>() {
            Ok(a) => return Self::of(columns, rows, 1, a.length(), Store::I16(a)),
            Err(other) => other,
        };
        match array.dyn_into::<Uint32Array>() {
            Ok(a) => Self::of(columns, rows, 1, a.length(), Store::U32(a)),
            Err(other) => {
                let a = other.dyn_into::<Int32Array>().ok()?;
                Self::of(columns, rows, 1, a.length(), Store::I32(a))
            }
        }
    }

    /// A JPEG frame the browser decoded.
    pub fn from_bitmap(bitmap: ImageBitmap) -> Self {
        Self { columns: bitmap.width(), rows: bitmap.height(), store: Store::Bitmap(bitmap) }
    }

    fn of(columns: u32, rows: u32, per_pixel: u32, length: u32, store: Store) -> Option<Self> {
        let want = u64::from(columns) * u64::from(rows) * u64::from(per_pixel);
        (u64::from(length) == want).then_some(Self { columns, rows, store })
    }

    /// Bytes it holds outside this module's memory.
    pub fn weight(&self) -> usize {
        let pixels = self.columns as usize * self.rows as usize;
        pixels
            * match &self.store {
                Store::U8(_) => 1,
                Store::U16(_) | Store::I16(_) => 2,
                Store::Rgb(_) => 3,
                Store::U32(_) | Store::I32(_) | Store::Bitmap(_) => 4,
            }
    }

    /// Samples of every `step`-th pixel each way; `None` for a bitmap, whose pixels stay with the browser.
    pub fn thinned(&self, step: u32) -> Option<Samples> {
        let per_pixel: u16 = if matches!(self.store, Store::Rgb(_)) { 3 } else { 1 };
        let (wide, per) = (self.columns as usize, usize::from(per_pixel));
        let picked = |x: usize| (0..per).map(move |c| x * per + c);
        macro_rules! gather {
            ($array:expr, $zero:expr) => {{
                let mut row = vec![$zero; wide * per];
                let mut out = Vec::new();
                for y in (0..self.rows).step_by(step as usize) {
                    let from = y * self.columns * u32::from(per_pixel);
                    $array.subarray(from, from + row.len() as u32).copy_to(&mut row);
                    out.extend((0..wide).step_by(step as usize).flat_map(picked).map(|i| row[i]));
                }
                out
            }};
        }
        let data = match &self.store {
            Store::U8(a) | Store::Rgb(a) => Data::U8(gather!(a, 0u8)),
            Store::U16(a) => Data::U16(gather!(a, 0u16)),
            Store::I16(a) => Data::I16(gather!(a, 0i16)),
            Store::U32(a) => Data::U32(gather!(a, 0u32)),
            Store::I32(a) => Data::I32(gather!(a, 0i32)),
            Store::Bitmap(_) => return None,
        };
        let (columns, rows) = (self.columns.div_ceil(step), self.rows.div_ceil(step));
        Some(Samples { columns, rows, per_pixel, data })
    }
}

impl Drop for Pixels {
    fn drop(&mut self) {
        if let Store::Bitmap(bitmap) = &self.store {
            bitmap.close();
        }
    }
}
