//! Where things are: programs on the path, and the checkout's own files.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// Directories of daemons, which the path of an ordinary user lacks.
const MORE_DIRECTORIES: &str = "/usr/local/sbin:/usr/sbin:/sbin";

/// The program's path, or a sentence that says what to install.
pub fn program(name: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(env::split_paths(MORE_DIRECTORIES))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
        .with_context(|| {
            format!("the program `{name}` is missing: the README's test command installs it")
        })
}

/// The checkout's root.
pub fn checkout() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}
