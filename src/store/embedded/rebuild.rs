//! Building sled's folder anew from the newest good snapshot, where it cannot be trusted. What the snapshot lacks is
//! then read from the journal, as at every opening (`replay`).

use super::catalog::Catalog;
use super::folder::{Folder, corrupt, remove_tree, sync_folder, sync_tree, unavailable};
use super::mark::{Kind, Mark};
use super::options::Options;
use super::pending::{Entry, Layer};
use super::replay::LAYER_BYTES;
use super::snapshot;
use super::tree::Tree;
use crate::store::port::StoreError;
use std::fs;
use std::path::Path;

/// Sets sled's folder aside and builds it anew from the newest good snapshot. The mark says so meanwhile, so a crash
/// begins it again; `known`, up to which the journal had been durable, is not forgotten over it.
pub(super) fn rebuild(
    folder: &Folder,
    options: &Options,
    instance: [u8; 16],
    known: u64,
) -> Result<(Tree, u64, Catalog), StoreError> {
    // A folder that was itself half built is no evidence of anything; one set aside before it is.
    let half_built = matches!(Mark::read(folder)?, Some(Some(mark)) if mark.kind == Kind::Building)
        && folder.sled_aside().exists();
    if half_built {
        remove_tree(&folder.sled())?;
    }
    Mark::building(folder, known)?.write(folder)?;
    let moved = |e: std::io::Error| unavailable("set aside", &folder.sled(), &e);
    if folder.sled().exists() {
        remove_tree(&folder.sled_aside())?;
        fs::rename(folder.sled(), folder.sled_aside()).map_err(moved)?;
    }
    let mut position = 0;
    let mut catalog = Catalog::default();
    for path in snapshot::list(&folder.snapshots())? {
        match load(folder, options, instance, &path) {
            Ok(head) => {
                (position, catalog) = (head.position, head.catalog);
                break;
            }
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(%error, "a snapshot is passed by");
                remove_tree(&folder.sled_new())?;
            }
            Err(error) => return Err(error),
        }
    }
    if folder.sled_new().exists() {
        fs::rename(folder.sled_new(), folder.sled()).map_err(moved)?;
    }
    let tree = Tree::open(&folder.sled(), options, false).map_err(StoreError::Unavailable)?;
    if tree.position() != Some(position) {
        tree.apply(&Layer::new(), position, |_| ())?;
    }
    sync_folder(folder.root())?;
    Ok((tree, position, catalog))
}

/// Builds a sled folder from a snapshot, under the name `sled.new`.
fn load(
    folder: &Folder,
    options: &Options,
    instance: [u8; 16],
    path: &Path,
) -> Result<snapshot::Head, StoreError> {
    let fresh = folder.sled_new();
    remove_tree(&fresh)?;
    let tree = Tree::open(&fresh, options, false).map_err(StoreError::Unavailable)?;
    let of = fs::metadata(path).map_or(0, |found| found.len());
    let mut layer = Layer::new();
    let mut bytes = 0;
    let mut done = 0;
    let summary = snapshot::read(path, |key, revision, value| {
        bytes += key.len() + value.len();
        let value = Some(value.to_vec());
        layer.insert(key.to_vec(), Entry { revision, value });
        if bytes >= LAYER_BYTES {
            tree.apply(&layer, 0, |_| ())?;
            layer.clear();
            done += bytes as u64;
            bytes = 0;
            options.report("rebuilding from the snapshot", done, of.max(done));
        }
        Ok(())
    })?;
    if summary.head.instance != instance {
        return Err(corrupt(path, 8, "this snapshot belongs to another store"));
    }
    tree.apply(&layer, summary.head.position, |_| ())?;
    tree.flush()?;
    drop(tree);
    sync_tree(&fresh).map_err(|e| unavailable("sync", &fresh, &e))?;
    Ok(summary.head)
}
