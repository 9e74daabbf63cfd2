//! The browser half of the program: two WebAssembly modules with their glue, the page, and what it shows, in `viewer/dist`.
//!
//! The directory is laid out as the server serves it: `index.html`, `viewer.js` and `viewer_bg.wasm` (the application),
//! `worker.js` and `worker_bg.wasm` (the decode worker), both ES modules, and `assets/` as in `viewer/assets`. Files are written
//! only when they changed, so that a server that embeds them is not built again for nothing.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use wasm_bindgen_cli_support::Bindgen;

use crate::toolchain::Wasm;
use crate::{Doing, Result, run, workspace};

/// Package's module, and the name it is served under.
const MODULES: &[(&str, &str)] = &[("yunying_viewer", "viewer"), ("yunying_worker", "worker")];

pub fn build() -> Result<()> {
    let wasm = Wasm::obtain()?;
    let mut cargo = wasm.cargo_build();
    cargo.args(["--package", "yunying-viewer", "--package", "yunying-worker"]);
    run::step("viewer and decode worker", &mut cargo)?;

    let staging = workspace::target().join("viewer-dist");
    if staging.exists() {
        fs::remove_dir_all(&staging).doing("clearing the staging directory")?;
    }
    fs::create_dir_all(&staging).doing("making the staging directory")?;
    for (module, name) in MODULES {
        Bindgen::new()
            .input_path(wasm.output().join(format!("{module}.wasm")))
            .out_name(name)
            .web(true)
            .and_then(|bindgen| bindgen.typescript(false).remove_name_section(true).generate(&staging))
            .doing(format_args!("glue for {module}"))?;
    }
    let viewer = workspace::root().join("viewer");
    copy_tree(&viewer.join("assets"), &staging.join("assets"))?;
    let page = viewer.join("index.html");
    if page.exists() {
        fs::copy(&page, staging.join("index.html")).doing("copying the page")?;
    }
    compress(&staging)?;
    let dist = viewer.join("dist");
    mirror(&staging, &dist)?;
    for (_, name) in MODULES {
        let kilobytes = |suffix| {
            let file = dist.join(format!("{name}_bg.wasm{suffix}"));
            fs::metadata(file).doing("looking at a module").map(|data| data.len() / 1000)
        };
        eprintln!("   {name}: {} KB, {} KB compressed", kilobytes("")?, kilobytes(".gz")?);
    }
    Ok(())
}

/// Puts a `.gz` beside every file that gets smaller by it, once, instead of at every request.
fn compress(dir: &Path) -> Result<()> {
    for file in files_below(dir)? {
        let path = dir.join(file);
        let bytes = fs::read(&path).doing("reading what was built")?;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        let packed = gzip.write_all(&bytes).and_then(|()| gzip.finish()).doing("compressing")?;
        if packed.len() * 10 < bytes.len() * 9 {
            let mut name = path.into_os_string();
            name.push(".gz");
            fs::write(name, packed).doing("writing a compressed file")?;
        }
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    if !from.exists() {
        return Ok(());
    }
    for file in files_below(from)? {
        let target = to.join(&file);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).doing("making a directory")?;
        }
        fs::copy(from.join(&file), target).doing(format_args!("copying {}", file.display()))?;
    }
    Ok(())
}

/// Makes `to` hold exactly what `from` holds, touching only what differs.
fn mirror(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).doing("making viewer/dist")?;
    let wanted = files_below(from)?;
    for stale in files_below(to)?.into_iter().filter(|file| !wanted.contains(file)) {
        fs::remove_file(to.join(stale)).doing("removing what is no longer built")?;
    }
    for file in wanted {
        let bytes = fs::read(from.join(&file)).doing("reading what was built")?;
        let target = to.join(&file);
        if fs::read(&target).is_ok_and(|there| there == bytes) {
            continue;
        }
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).doing("making a directory")?;
        }
        fs::write(&target, bytes).doing(format_args!("writing {}", target.display()))?;
    }
    Ok(())
}

/// Relative paths of all files, sorted.
fn files_below(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).doing(dir.display())?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if let Ok(relative) = path.strip_prefix(root) {
                files.push(relative.to_owned());
            }
        }
    }
    files.sort();
    Ok(files)
}
