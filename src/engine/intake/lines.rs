//! Lines of a file of any make: counted, bounded in memory whatever the file holds, with CRLF and BOM taken off.

use super::RAW_LIMIT;
use std::io::{self, BufRead};

/// Reads one line after the other.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: R,
    number: u64,
    bytes: u64,
}

impl<R: BufRead> Lines<R> {
    pub fn new(reader: R) -> Lines<R> {
        Lines {
            reader,
            number: 0,
            bytes: 0,
        }
    }

    /// Bytes of the file taken so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The number of the line read last, counted from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What stands at the reading position, without taking it; empty at the file's end.
    pub fn peek(&mut self) -> io::Result<&[u8]> {
        retried(&mut self.reader)
    }

    /// Puts the next line into `line`, without its end; of a longer one the first [`RAW_LIMIT`] bytes. `false` at the
    /// file's end.
    pub fn next_into(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        let mut any = false;
        loop {
            let ready = retried(&mut self.reader)?;
            if ready.is_empty() {
                break;
            }
            any = true;
            let (part, taken, ended) = match ready.iter().position(|b| *b == b'\n') {
                Some(end) => (&ready[..end], end + 1, true),
                None => (ready, ready.len(), false),
            };
            let room = RAW_LIMIT - line.len().min(RAW_LIMIT);
            line.extend_from_slice(&part[..part.len().min(room)]);
            self.reader.consume(taken);
            self.bytes += taken as u64;
            if ended {
                break;
            }
        }
        if !any {
            return Ok(false);
        }
        self.number += 1;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if self.number == 1 && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        Ok(true)
    }
}

/// `fill_buf`, taken up again when a signal interrupted it.
fn retried<R: BufRead>(reader: &mut R) -> io::Result<&[u8]> {
    loop {
        match reader.fill_buf() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
            Ok(_) => break,
        }
    }
    // Asked again, since the borrow of the loop's answer could not leave it; the buffer is full, so nothing is read.
    reader.fill_buf()
}

#[cfg(test)]
mod tests {
    use super::{Lines, RAW_LIMIT};
    use std::io::BufReader;

    #[test]
    fn lines_are_counted_and_bounded() {
        let mut file = b"\xef\xbb\xbfone\r\n\r\n".to_vec();
        file.extend(std::iter::repeat_n(b'x', RAW_LIMIT + 5));
        file.extend(b"\nlast");
        let mut lines = Lines::new(BufReader::with_capacity(7, file.as_slice()));
        let (mut line, mut seen) = (Vec::new(), Vec::new());
        while lines.next_into(&mut line).unwrap() {
            seen.push((lines.number(), line.len()));
        }
        assert_eq!(seen, [(1, 3), (2, 0), (3, RAW_LIMIT), (4, 4)]);
        assert_eq!(lines.bytes(), file.len() as u64);
    }
}
