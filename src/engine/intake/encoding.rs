//! The letters of a file: UTF-8, or what spreadsheets still write in Korea (CP949) and in the West (windows-1252).
//!
//! [`guess`] reads the whole file once; [`Decoded`] then gives UTF-8, whatever the file is in.

use encoding_rs::{Decoder, DecoderResult, EUC_KR, Encoding, UTF_8, WINDOWS_1252};
use std::io::{self, Read};

/// How the letters of a file are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Letters {
    Utf8,
    /// The Korean code page of Windows, which holds all of EUC-KR.
    Cp949,
    /// The Western code page of Windows.
    Windows1252,
}

impl Letters {
    pub const ALL: [Letters; 3] = [Letters::Utf8, Letters::Cp949, Letters::Windows1252];

    pub fn name(self) -> &'static str {
        match self {
            Letters::Utf8 => "utf-8",
            Letters::Cp949 => "cp949",
            Letters::Windows1252 => "windows-1252",
        }
    }

    /// By the name of the encoding, as programs write it.
    pub fn parse(name: &str) -> Result<Letters, String> {
        match name.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" => Ok(Letters::Utf8),
            "cp949" | "uhc" | "euc-kr" | "euckr" | "ms949" => Ok(Letters::Cp949),
            "windows-1252" | "cp1252" | "latin1" | "iso-8859-1" => Ok(Letters::Windows1252),
            _ => Err(format!(
                "there is no encoding {name:?} here; known are utf-8, cp949 and windows-1252"
            )),
        }
    }

    fn encoding(self) -> &'static Encoding {
        match self {
            Letters::Utf8 => UTF_8,
            // The encoding standard of the web: its EUC-KR is CP949.
            Letters::Cp949 => EUC_KR,
            Letters::Windows1252 => WINDOWS_1252,
        }
    }
}

/// What a file is written in, by all of its bytes. What is UTF-8, save for a letter in a hundred that somebody cut in
/// two, is UTF-8. Western text can be read as CP949 by accident, but then most of its pairs of bytes lie outside the common
/// Hangul and Hanja, where both are 0xA1 or more.
pub fn guess(mut file: impl Read) -> io::Result<Letters> {
    let mut utf8 = Tried::new(UTF_8);
    let mut korean = Tried::new(EUC_KR);
    let (mut common, mut pairs, mut lead) = (0_u64, 0_u64, None);
    let mut bytes = vec![0; BUFFER];
    loop {
        let read = read_some(&mut file, &mut bytes)?;
        let (part, last) = (&bytes[..read], read == 0);
        utf8.take(part, last);
        korean.take(part, last);
        for byte in part {
            match lead.take() {
                None if *byte >= 0x80 => lead = Some(*byte),
                None => {}
                Some(lead) => {
                    pairs += 1;
                    common += u64::from(lead >= 0xa1 && *byte >= 0xa1);
                }
            }
        }
        if last {
            break;
        }
    }
    let is_utf8 = utf8.bad == 0 || utf8.bad * 100 <= utf8.letters;
    let is_korean = korean.bad == 0 && common * 4 >= pairs * 3;
    Ok(match (is_utf8, is_korean) {
        (true, _) => Letters::Utf8,
        (false, true) => Letters::Cp949,
        (false, false) => Letters::Windows1252,
    })
}

/// A file read as if it were in this encoding.
struct Tried {
    decoder: Decoder,
    scratch: Vec<u8>,
    /// Letters beyond ASCII.
    letters: u64,
    /// Places that are none of this encoding.
    bad: u64,
}

impl Tried {
    fn new(encoding: &'static Encoding) -> Tried {
        Tried {
            decoder: encoding.new_decoder_without_bom_handling(),
            scratch: vec![0; 4 * BUFFER],
            letters: 0,
            bad: 0,
        }
    }

    fn take(&mut self, mut bytes: &[u8], last: bool) {
        loop {
            let (result, read, wrote) =
                (self.decoder).decode_to_utf8_without_replacement(bytes, &mut self.scratch, last);
            // The first byte of each letter that takes several.
            let begun = self.scratch[..wrote].iter().filter(|byte| **byte >= 0xc0);
            self.letters += begun.count() as u64;
            match result {
                DecoderResult::InputEmpty => return,
                DecoderResult::Malformed(..) => self.bad += 1,
                DecoderResult::OutputFull => {}
            }
            bytes = &bytes[read..];
        }
    }
}

const BUFFER: usize = 16 * 1024;

fn read_some(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(bytes) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// A file as UTF-8. What its encoding does not know becomes U+FFFD.
pub struct Decoded<R> {
    file: R,
    decoder: Decoder,
    raw: Vec<u8>,
    text: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R: Read> Decoded<R> {
    pub fn new(file: R, letters: Letters) -> Decoded<R> {
        Decoded {
            file,
            decoder: letters.encoding().new_decoder_with_bom_removal(),
            raw: vec![0; BUFFER],
            text: Vec::new(),
            at: 0,
            ended: false,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        while self.at == self.text.len() && !self.ended {
            let read = read_some(&mut self.file, &mut self.raw)?;
            self.ended = read == 0;
            self.at = 0;
            self.text.resize(4 * BUFFER, 0);
            // A byte becomes three at most: all of it fits.
            let (_, _, wrote, _) =
                self.decoder
                    .decode_to_utf8(&self.raw[..read], &mut self.text, self.ended);
            self.text.truncate(wrote);
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.fill()?;
        let ready = &self.text[self.at..];
        let many = ready.len().min(into.len());
        into[..many].copy_from_slice(&ready[..many]);
        self.at += many;
        Ok(many)
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoded, Letters, guess};
    use encoding_rs::{EUC_KR, WINDOWS_1252};
    use std::io::Read;

    fn read(bytes: &[u8]) -> (Letters, String) {
        let letters = guess(bytes).unwrap();
        let mut text = String::new();
        Decoded::new(bytes, letters)
            .read_to_string(&mut text)
            .unwrap();
        (letters, text)
    }

    #[test]
    fn a_file_is_read_in_the_letters_that_it_is_written_in() {
        let korean = "주문번호,이름\n1,김민아\n2,똠방각하 펲시콜라\n".repeat(2_000);
        let western = "Name,Stadt\nRené Müller,Köln\nZoë,Besançon\n".repeat(2_000);
        assert!(read(korean.as_bytes()) == (Letters::Utf8, korean.clone()));
        let with_bom = [b"\xef\xbb\xbf", korean.as_bytes()].concat();
        assert!(read(&with_bom) == (Letters::Utf8, korean.clone()));
        let cp949 = EUC_KR.encode(&korean).0;
        assert!(read(&cp949) == (Letters::Cp949, korean.clone()));
        let cp1252 = WINDOWS_1252.encode(&western).0;
        assert!(read(&cp1252) == (Letters::Windows1252, western));
        // A name that a database cut in the middle of a letter costs that letter.
        let mut cut = korean.clone().into_bytes();
        cut.extend_from_slice(&"김민아".as_bytes()[..7]);
        let (letters, text) = read(&cut);
        assert!(letters == Letters::Utf8 && text.ends_with("김민\u{fffd}"));
        assert_eq!(read(b"id,total\n1,2\n").0, Letters::Utf8);
        assert_eq!(read(b""), (Letters::Utf8, String::new()));
    }

    #[test]
    fn an_encoding_has_its_usual_names() {
        for letters in Letters::ALL {
            assert_eq!(Letters::parse(letters.name()), Ok(letters));
        }
        assert_eq!(Letters::parse("EUC-KR"), Ok(Letters::Cp949));
        assert!(Letters::parse("utf-16").unwrap_err().contains("known are"));
    }
}
