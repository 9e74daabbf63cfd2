//! Puts `viewer/dist` into release builds.
//!
//! Debug builds serve the same files from the directory instead (see `src/web/assets.rs`), so that a new viewer needs no new
//! server and tests link quickly. A build without a viewer still succeeds and then says on its page how to get one.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let dist = root.join("viewer/dist");

    let embed = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let mut list = String::new();
    if embed {
        println!("cargo::rerun-if-changed={}", dist.display());
        list.push_str("Files::Embedded(&[\n");
        for file in files_below(&dist)? {
            let name = file.strip_prefix(&dist).unwrap_or(&file).to_string_lossy().replace('\\', "/");
            list.push_str(&format!("    ({name:?}, include_bytes!({file:?})),\n"));
        }
        list.push_str("])\n");
    } else {
        list.push_str(&format!("Files::Directory({dist:?})\n"));
    }
    fs::write(out.join("viewer_files.rs"), list)
}

fn files_below(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if !dir.exists() {
        return Ok(files);
    }
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(files_below(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
