//! The decode workers: as many as there are cores to spare, each given the next frame when it is the least busy.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use js_sys::{Array, ArrayBuffer, Function, Object, Promise, Reflect, Uint32Array};
use pixel::Layout;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

const BOOT: &str = "/assets/worker-boot.js";
/// A worker that dies this often is not started again.
const MOST_DEATHS: u32 = 3;

/// Ends its workers when dropped.
pub struct Pool {
    inner: Rc<RefCell<Inner>>,
}

#[derive(Default)]
struct Inner {
    workers: Vec<Member>,
    /// Frames being decoded, by the number they were sent under.
    waiting: HashMap<u32, Waiting>,
    next: u32,
    deaths: u32,
}

struct Member {
    worker: Worker,
    load: usize,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(JsValue)>,
}

struct Waiting {
    member: usize,
    resolve: Function,
    reject: Function,
}

impl Pool {
    /// One worker less than there are cores, four at most: beyond that the network is slower than they are.
    pub fn new() -> Self {
        let cores = web_sys::window().map_or(2.0, |w| w.navigator().hardware_concurrency());
        let count = (cores as usize).saturating_sub(1).clamp(1, 4);
        let inner = Rc::new(RefCell::new(Inner::default()));
        for member in 0..count {
            start(&inner, member);
        }
        Self { inner }
    }

    /// Stored values of one frame, or why there are none.
    pub async fn decode(&self, kind: &str, bytes: ArrayBuffer, layout: Layout) -> Result<Object, String> {
        let sent = self.send(kind, bytes, layout);
        match JsFuture::from(sent).await {
            Ok(pixels) => Ok(pixels.unchecked_into()),
            Err(error) => Err(error.as_string().unwrap_or_else(|| "decode worker".into())),
        }
    }

    fn send(&self, kind: &str, bytes: ArrayBuffer, layout: Layout) -> Promise {
        let mut inner = self.inner.borrow_mut();
        let Some(member) = (0..inner.workers.len()).min_by_key(|&i| inner.workers[i].load) else {
            return Promise::reject(&"the decoder could not be started".into());
        };
        let id = inner.next;
        inner.next = inner.next.wrapping_add(1);
        let promise = Promise::new(&mut |resolve, reject| {
            inner.waiting.insert(id, Waiting { member, resolve, reject });
        });
        inner.workers[member].load += 1;
        let message = Object::new();
        let words = Uint32Array::from(&layout.to_words()[..]);
        for (name, value) in [
            ("id", JsValue::from(id)),
            ("kind", kind.into()),
            ("bytes", bytes.clone().into()),
            ("layout", words.into()),
        ] {
            set(&message, name, &value);
        }
        if let Err(error) = inner.workers[member].worker.post_message_with_transfer(&message, &Array::of1(&bytes)) {
            inner.workers[member].load -= 1;
            if let Some(job) = inner.waiting.remove(&id) {
                call(&job.reject, &error);
            }
        }
        promise
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for member in self.inner.borrow().workers.iter() {
            member.worker.set_onmessage(None);
            member.worker.set_onerror(None);
            member.worker.terminate();
        }
    }
}

/// Starts the worker of one place in the pool; without it the others carry on.
fn start(inner: &Rc<RefCell<Inner>>, member: usize) {
    let options = WorkerOptions::new();
    options.set_type(WorkerType::Module);
    let Ok(worker) = Worker::new_with_options(BOOT, &options) else { return };
    let on_message = Closure::new({
        let inner = Rc::downgrade(inner);
        move |event: MessageEvent| {
            if let Some(inner) = inner.upgrade() {
                answered(&inner, member, &event.data());
            }
        }
    });
    let on_error = Closure::new({
        let inner = Rc::downgrade(inner);
        move |_: JsValue| {
            if let Some(inner) = inner.upgrade() {
                died(&inner, member);
            }
        }
    });
    worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
    let fresh = Member { worker, load: 0, _on_message: on_message, _on_error: on_error };
    let mut inner = inner.borrow_mut();
    match inner.workers.get_mut(member) {
        // The old closures may be what is running now; they go when this turn is over.
        Some(old) => {
            let old = std::mem::replace(old, fresh);
            wasm_bindgen_futures::spawn_local(async move { drop(old) });
        }
        None => inner.workers.push(fresh),
    }
}

fn answered(inner: &Rc<RefCell<Inner>>, member: usize, answer: &JsValue) {
    let id = get(answer, "id").as_f64().unwrap_or(f64::NAN) as u32;
    let job = {
        let mut inner = inner.borrow_mut();
        if let Some(m) = inner.workers.get_mut(member) {
            m.load = m.load.saturating_sub(1);
        }
        inner.waiting.remove(&id)
    };
    let Some(job) = job else { return };
    let pixels = get(answer, "pixels");
    if pixels.is_object() {
        call(&job.resolve, &pixels);
    } else {
        call(&job.reject, &get(answer, "error"));
    }
}

/// A worker failed as a whole: what it held is refused, another takes its place unless that keeps happening.
fn died(inner: &Rc<RefCell<Inner>>, member: usize) {
    let (held, again) = {
        let mut inner = inner.borrow_mut();
        inner.deaths += 1;
        if let Some(m) = inner.workers.get(member) {
            m.worker.terminate();
        }
        let ids: Vec<u32> = inner.waiting.iter().filter(|(_, job)| job.member == member).map(|(&id, _)| id).collect();
        let held: Vec<Waiting> = ids.iter().filter_map(|id| inner.waiting.remove(id)).collect();
        (held, inner.deaths <= MOST_DEATHS)
    };
    for job in held {
        call(&job.reject, &"the decoder stopped".into());
    }
    if again {
        start(inner, member);
    }
}

fn get(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// Sets a property of an object just made, which can't refuse it.
fn set(object: &Object, name: &str, value: &JsValue) {
    let _set = Reflect::set(object, &name.into(), value);
}

/// Settles a promise; its functions never throw.
fn call(settle: &Function, value: &JsValue) {
    let _settled = settle.call1(&JsValue::UNDEFINED, value);
}
