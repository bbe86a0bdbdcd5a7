//! Ways to damage a bundle: bytes anywhere, and fields of archives and manifests with sums that fit again, since most else is
//! refused at the first look.

use std::io::Read as _;

use portolan_testkit::bundle::gzip;

const BLOCK: usize = 512;

/// Random numbers (splitmix64), the same ones for the same seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is below a usize")
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// Damages an input in one to five places; parts of another one may come into it.
pub(crate) fn damage(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    // What is compressed is damaged inside, mostly: the stream's own sum keeps all else out.
    let is_zipped = input.starts_with(&[0x1f, 0x8b]);
    let mut unzipped = Vec::new();
    let inside = is_zipped
        && random.below(4) > 0
        && flate2::read::GzDecoder::new(&input[..]).take(8 << 20).read_to_end(&mut unzipped).is_ok();
    if inside {
        std::mem::swap(input, &mut unzipped);
    }
    for _ in 0..=random.below(5) {
        if input.is_empty() {
            input.push(random.byte());
        }
        match random.below(10) {
            0 => bytes(input, random),
            1 => input.truncate(random.below(input.len())),
            2 | 3 => blocks(input, other, random),
            4..=6 => header(input, random),
            _ => json(input, random),
        }
        input.truncate(1 << 20);
    }
    if inside {
        *input = gzip(input);
    }
}

fn bytes(input: &mut [u8], random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(input.len());
        input[at] = random.byte();
    }
}

/// Takes blocks out, repeats them, or puts in some of another input.
fn blocks(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let range = |bytes: &[u8], random: &mut Random| {
        let all = bytes.len() / BLOCK + 1;
        let from = (random.below(all) * BLOCK).min(bytes.len());
        from..(from + BLOCK * (1 + random.below(8))).min(bytes.len())
    };
    let from = range(input, random);
    match random.below(3) {
        0 => drop(input.drain(from)),
        1 => {
            let again = input[from.clone()].to_vec();
            drop(input.splice(from.end..from.end, again));
        }
        _ => {
            let part = other[range(other, random)].to_vec();
            drop(input.splice(from.start..from.start, part));
        }
    }
}

/// Changes a field of a header of a tar archive, and its checksum with it.
fn header(input: &mut [u8], random: &mut Random) {
    let headers: Vec<usize> = (0..input.len() / BLOCK)
        .map(|block| block * BLOCK)
        .filter(|at| input.get(at + 257..at + 262) == Some(b"ustar"))
        .collect();
    if headers.is_empty() {
        return;
    }
    let (at, from) = (*random.one_of(&headers), *random.one_of(&headers));
    let names: [&[u8]; 12] = [
        b"../a",
        b"/etc/passwd",
        b"a/../../b",
        b"./a",
        b"",
        b"manifest.json",
        b"index.json",
        b"oci-layout",
        b"a\\b",
        b"\xff\xfe",
        b"deploy/../manifest.json",
        b"blobs/sha256/00",
    ];
    match random.below(5) {
        0 => {
            let name = *random.one_of(&names);
            put(input, at, 100, name);
        }
        1 => input.copy_within(from..from + 100, at),
        2 => {
            let sizes: [&[u8]; 8] = [
                b"00000000000",
                b"00000000001",
                b"00000001000",
                b"77777777777",
                b"0000000000x",
                b"",
                b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            ];
            let size = *random.one_of(&sizes);
            put(input, at + 124, 12, size);
        }
        3 => input[at + 156] = *random.one_of(b"\x000123456789LKxgSVZ"),
        _ => {
            let name = *random.one_of(&names);
            put(input, at + 157, 100, name);
        }
    }
    put(input, at + 148, 8, b"        ");
    let sum: u32 = input[at..at + BLOCK].iter().map(|byte| u32::from(*byte)).sum();
    put(input, at + 148, 8, format!("{sum:06o}\0 ").as_bytes());
}

/// Writes a field, filled up with zeros.
fn put(input: &mut [u8], at: usize, length: usize, value: &[u8]) {
    let field = &mut input[at..at + length];
    field.fill(0);
    field[..value.len()].copy_from_slice(value);
}

/// Changes a text of the same length in a manifest or an index.
fn json(input: &mut [u8], random: &mut Random) {
    let found = |input: &[u8], word: &[u8]| -> Vec<usize> {
        let window = input.windows(word.len()).enumerate();
        window.filter(|(_, part)| *part == word).map(|(at, _)| at).collect()
    };
    let pairs: [(&[u8], &[u8]); 10] = [
        (b"sha256:", b"sha512:"),
        (b"\"size\":", b"\"Size\":"),
        (b"\"layers\"", b"\"Layers\""),
        (b"\"Layers\"", b"\"layers\""),
        (b"\"config\"", b"\"konfig\""),
        (b"tar+gzip", b"tar+zstd"),
        (b"\"digest\"", b"\"digexx\""),
        (b"manifests", b"manifexts"),
        (b"[", b"{"),
        (b"\"", b" "),
    ];
    match random.below(3) {
        // One digest in place of another.
        0 => {
            let all: Vec<usize> = found(input, b"sha256:").into_iter().filter(|at| at + 71 <= input.len()).collect();
            if !all.is_empty() {
                let (from, to) = (*random.one_of(&all), *random.one_of(&all));
                input.copy_within(from..from + 71, to);
            }
        }
        1 => {
            let digits: Vec<usize> = (0..input.len()).filter(|at| input[*at].is_ascii_digit()).collect();
            if !digits.is_empty() {
                let at = *random.one_of(&digits);
                input[at] = *random.one_of(b"0123456789-e.,]}");
            }
        }
        _ => {
            let (word, with) = *random.one_of(&pairs);
            let all = found(input, word);
            if !all.is_empty() {
                let at = *random.one_of(&all);
                input[at..at + word.len()].copy_from_slice(with);
            }
        }
    }
}
