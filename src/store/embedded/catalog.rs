//! The catalog: which Parquet segments each stream consists of, and from where on the journal must be read for the
//! rows that no segment holds yet. It changes by records in the journal; marks and snapshots carry a copy, so that
//! opening need not read the journal from its beginning. Applying a change twice is the same as once.

use crate::store::port::Stream;
use crate::store::wire::{Cursor, put_bytes, put_i64, put_u32, put_u64};

/// The streams in the order of their codes.
pub(super) const STREAMS: [Stream; 4] = [Stream::Events, Stream::Log, Stream::Mails, Stream::Hits];

/// So many streams the catalogs of the first stores had.
const FIRST: usize = 3;

pub(super) fn stream_code(stream: Stream) -> u8 {
    match stream {
        Stream::Events => 0,
        Stream::Log => 1,
        Stream::Mails => 2,
        Stream::Hits => 3,
    }
}

pub(super) fn stream_of(code: u8) -> Option<Stream> {
    STREAMS.get(usize::from(code)).copied()
}

/// The name's first part, for files.
pub(super) fn stream_name(stream: Stream) -> &'static str {
    match stream {
        Stream::Events => "events",
        Stream::Log => "log",
        Stream::Mails => "mails",
        Stream::Hits => "hits",
    }
}

/// A segment as the journal names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Named {
    /// The file's name in the folder `streams`.
    pub(super) name: String,
    /// The position of its first row.
    pub(super) first: u64,
    /// Positions up to here (out) are in it, as far as they belong to its stream.
    pub(super) to: u64,
    pub(super) rows: u64,
    /// The bytes of its rows before compression.
    pub(super) bytes: u64,
    /// The file's length, and the checksums of the whole file and of its footer.
    pub(super) length: u64,
    pub(super) checksum: u64,
    pub(super) footer: u64,
    /// The latest time of its rows, in milliseconds since 1970.
    pub(super) newest: i64,
}

/// One stream of the catalog.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Listed {
    /// Rows before this position are in segments.
    pub(super) sealed_to: u64,
    /// All frames up to this sequence have their rows of this stream in segments.
    pub(super) read_from: u64,
    /// In the order of positions.
    pub(super) segments: Vec<Named>,
}

/// A segment takes the place of others (of none when rows are sealed; none takes theirs when they are forgotten).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Change {
    pub(super) stream: Stream,
    pub(super) sealed_to: u64,
    pub(super) read_from: u64,
    pub(super) add: Option<Named>,
    pub(super) remove: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Catalog {
    streams: [Listed; 4],
}

impl Catalog {
    pub(super) fn of(&self, stream: Stream) -> &Listed {
        &self.streams[usize::from(stream_code(stream))]
    }

    pub(super) fn of_mut(&mut self, stream: Stream) -> &mut Listed {
        &mut self.streams[usize::from(stream_code(stream))]
    }

    pub(super) fn apply(&mut self, change: &Change) {
        let listed = self.of_mut(change.stream);
        listed.sealed_to = listed.sealed_to.max(change.sealed_to);
        listed.read_from = listed.read_from.max(change.read_from);
        listed
            .segments
            .retain(|segment| !change.remove.contains(&segment.name));
        if let Some(added) = &change.add {
            listed.segments.retain(|segment| segment.name != added.name);
            listed.segments.push(added.clone());
            listed.segments.sort_by_key(|segment| segment.first);
        }
    }

    /// The sequence behind which the journal must be read for all streams.
    pub(super) fn read_from(&self) -> u64 {
        let each = self.streams.iter().map(|listed| listed.read_from);
        each.min().unwrap_or(0)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Named> {
        self.streams
            .iter()
            .flat_map(|listed| listed.segments.iter())
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for listed in &self.streams {
            put_u64(out, listed.sealed_to);
            put_u64(out, listed.read_from);
            put_u32(
                out,
                u32::try_from(listed.segments.len()).unwrap_or(u32::MAX),
            );
            for segment in &listed.segments {
                encode_segment(out, segment);
            }
        }
    }

    /// Reads a catalog, which is the last thing in what it stands in: one that ends early was written before there were so
    /// many streams. No row of theirs lies before it, so the journal need not be read further back for them.
    pub(super) fn decode(cursor: &mut Cursor) -> Option<Catalog> {
        let mut catalog = Catalog::default();
        for at in 0..catalog.streams.len() {
            if at >= FIRST && cursor.left() == 0 {
                let known = catalog.streams[..FIRST].iter().map(|l| l.read_from);
                catalog.streams[at].read_from = known.min().unwrap_or(0);
                continue;
            }
            let listed = &mut catalog.streams[at];
            listed.sealed_to = cursor.u64()?;
            listed.read_from = cursor.u64()?;
            for _ in 0..cursor.u32()? {
                listed.segments.push(decode_segment(cursor)?);
            }
        }
        Some(catalog)
    }
}

pub(super) fn encode_segment(out: &mut Vec<u8>, segment: &Named) {
    put_bytes(out, segment.name.as_bytes());
    for number in [
        segment.first,
        segment.to,
        segment.rows,
        segment.bytes,
        segment.length,
        segment.checksum,
        segment.footer,
    ] {
        put_u64(out, number);
    }
    put_i64(out, segment.newest);
}

pub(super) fn decode_segment(cursor: &mut Cursor) -> Option<Named> {
    Some(Named {
        name: cursor.text()?,
        first: cursor.u64()?,
        to: cursor.u64()?,
        rows: cursor.u64()?,
        bytes: cursor.u64()?,
        length: cursor.u64()?,
        checksum: cursor.u64()?,
        footer: cursor.u64()?,
        newest: cursor.i64()?,
    })
}
