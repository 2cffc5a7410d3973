//! `vuart log` of a file that holds a console's ring.

mod support;

use std::fs::{self, File, Permissions};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use support::{Done, Process, Runtime, run};
use tempfile::TempDir;
use vuart_scrollback::{Position, RingOptions, Scrollback, Writer};

/// A ring in a file. The file may be on a disk, which only affects the guest's speed.
struct Ring {
    directory: TempDir,
    writer: Writer,
    scrollback: Scrollback,
}

impl Ring {
    fn new(options: RingOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = File::create_new(directory.path().join("ring")).unwrap();
        let (writer, scrollback) = options.with_disk(true).create_in(file).unwrap();
        Self { directory, writer, scrollback }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("ring")
    }

    fn log(&self, more: &[&str]) -> Done {
        log(self.path().to_str().unwrap(), more)
    }
}

fn log(path: &str, more: &[&str]) -> Done {
    // Every byte, also into this pipe.
    run(&mut Runtime::new().vuart(&[&["log", path, "--raw"], more].concat()))
}

#[test]
fn ranges_of_a_live_ring_and_of_an_abandoned_one() {
    let mut ring = Ring::new(RingOptions::new(1 << 17));
    let written: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    ring.writer.extend(&written);
    let Ring { directory, writer, scrollback } = ring;
    let path = directory.path().join("ring");
    let path = path.to_str().unwrap();
    let check = || {
        for (more, expected) in [
            (&[][..], &written[..]),
            (&["--from", "70000"], &written[70_000..]),
            (&["--from", "70000", "--max", "20000"], &written[70_000..90_000]),
            (&["--last", "5"], &written[99_995..]),
            (&["--last", "50", "--max", "20"], &written[99_950..99_970]),
            (&["--last", "1000000"], &written),
            (&["--max", "0"], b""),
            (&["--from", "100000"], b""),
            (&["--boot", "--max", "3"], &written[..3]),
        ] {
            let done = log(path, more);
            assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{more:?}");
            assert!(done.stdout == expected, "{more:?}");
        }
        let done = log(path, &["--from", "2", "--max", "3", "--verbose"]);
        assert_eq!(done.stdout, written[2..5]);
        assert_eq!(done.stderr, "[vuart: 3 bytes; the next offset is 5]\n");
        let done = log(path, &["--from", "100001", "--verbose"]);
        let beyond = "the guest has written only 100000 bytes: there is nothing at offset 100001 yet";
        assert_eq!(done.stderr, format!("[vuart: {beyond}]\n[vuart: 0 bytes; the next offset is 100000]\n"));
    };
    check();
    drop((writer, scrollback));
    check();
}

#[test]
fn lines_and_the_newest_boot() {
    let mut ring = Ring::new(RingOptions::new(4096));
    ring.writer.extend(b"first boot\n");
    ring.writer.mark();
    ring.writer.extend(b"one\ntwo\nlogin: ");
    for (more, expected) in [
        (&["--lines", "2"][..], "two\nlogin: "),
        (&["-n", "1"], "login: "),
        (&["-n", "0"], ""),
        (&["-n", "100"], "first boot\none\ntwo\nlogin: "),
        (&["--boot"], "one\ntwo\nlogin: "),
        (&["--boot", "--max", "3"], "one"),
    ] {
        let done = ring.log(more);
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{more:?}");
        assert_eq!(done.text(), expected, "{more:?}");
    }
}

#[test]
fn e7_a_hole_between_the_boot_head_and_the_rest_is_declared() {
    let mut ring = Ring::new(RingOptions::new(4096).with_boot_head(100));
    ring.writer.extend(&[b'-'; 3000]);
    let boot = ring.writer.mark();
    let written: Vec<u8> = (0..=250).cycle().take(20_000).collect();
    ring.writer.extend(&written);
    let newest = ring.scrollback.offset(Position::Newest(u64::MAX));
    let at = usize::try_from(newest - boot).unwrap();
    let between =
        format!("{} bytes are lost here, from offset 3104 on; the next offset is {newest}", newest - 3104);

    for more in [&[][..], &["--boot"]] {
        let done = ring.log(more);
        assert_eq!(done.code, 0);
        assert!(done.stdout == [&written[..104], &written[at..]].concat());
        assert_eq!(done.stderr, format!("[vuart: {between}]\n"));
    }
    let done = ring.log(&["--from", "10", "--max", "110"]);
    assert!(done.stdout == [&written[..104], &written[at..at + 6]].concat());
    let before = "2990 bytes are lost here, from offset 10 on; the next offset is 3000";
    assert_eq!(done.stderr, format!("[vuart: {before}]\n[vuart: {between}]\n"));
    let done = ring.log(&["--from", "10", "--max", "0"]);
    assert_eq!((done.text().as_str(), done.stderr), ("", format!("[vuart: {before}]\n")));
}

#[test]
fn a_memfd_of_another_process_can_be_read() {
    let (mut writer, scrollback) = RingOptions::new(4096).create_memfd("com1").unwrap();
    writer.extend(b"login: ");
    let number = scrollback.file().unwrap().as_raw_fd();
    let done = log(&format!("/proc/{}/fd/{number}", std::process::id()), &[]);
    assert_eq!((done.code, done.text().as_str(), done.stderr.as_str()), (0, "login: ", ""));
}

#[test]
fn a_file_that_is_not_a_ring_is_reported() {
    let mut ring = Ring::new(RingOptions::new(4096));
    ring.writer.extend(b"login: ");
    let path = ring.path();
    let sound = fs::read(&path).unwrap();
    let spoilt = |at: usize, value: u64| {
        let mut bytes = sound.clone();
        bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes());
        bytes
    };
    let magic = u64::from_ne_bytes(sound[..8].try_into().unwrap());
    for (content, words) in [
        (Vec::new(), "not a vuart ring"),
        (b"# vuart trace v1\n".to_vec(), "not a vuart ring"),
        (vec![0; 8192], "not a vuart ring"),
        (sound[..100].to_vec(), "not a vuart ring"),
        (sound[..8000].to_vec(), "its header says that the file has 8192 bytes, and it has 8000"),
        (spoilt(0, magic.swap_bytes()), "byte order"),
        (spoilt(8, 2), "layout version 2"),
        (spoilt(16, 4095), "damaged"),
        (spoilt(24, 4), "damaged"),
        (spoilt(32, u64::MAX), "damaged"),
        (spoilt(128, u64::MAX), "offsets contradict each other"),
    ] {
        let other = ring.directory.path().join("other");
        fs::write(&other, &content).unwrap();
        let done = log(other.to_str().unwrap(), &[]);
        assert_eq!((done.code, done.text().as_str()), (2, ""), "{words}");
        let line = done.one_line();
        assert!(line.contains(words) && line.contains(other.to_str().unwrap()), "{line}");
    }
    // A damaged value that contradicts nothing else is not an error: the log prints the bytes that are there.
    let other = ring.directory.path().join("other");
    for (at, value) in [(136, u64::MAX), (144, u64::MAX), (152, u64::MAX), (152, 3)] {
        fs::write(&other, spoilt(at, value)).unwrap();
        for more in [&[][..], &["--boot"], &["-n", "3"], &["--last", "3"]] {
            let done = log(other.to_str().unwrap(), more);
            assert!(done.code == 0 || done.code == 2, "{at} {value}: {}", done.stderr);
            assert!(done.stdout.is_empty() || b"login: ".ends_with(&done.stdout), "{at} {value}");
        }
    }
}

#[test]
fn a_path_that_is_not_a_file_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let done = log(&path("nothing"), &[]);
    assert_eq!(done.code, 3);
    assert!(done.one_line().contains("nothing"));

    let done = log(directory.path().to_str().unwrap(), &[]);
    assert_eq!(done.code, 2);
    assert!(done.one_line().contains("is a directory, and no console's ring"), "{}", done.stderr);

    // A pipe without a writer, which must not block.
    rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), rustix::fs::Mode::RUSR).unwrap();
    let done = log(&path("pipe"), &[]);
    assert_eq!(done.code, 2);
    assert!(done.one_line().contains("is a pipe, and no console's ring"), "{}", done.stderr);

    let done = log("/dev/zero", &[]);
    assert_eq!(done.code, 2);
    assert!(done.one_line().contains("is a device, and no console's ring"), "{}", done.stderr);
}

/// A device may act when it is opened. A pipe shows it: its writer would have waited for this reader.
#[test]
fn f28_what_is_no_ring_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let opened = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            drop(File::options().write(true).open(&path).unwrap());
            opened.store(true, Relaxed);
        });
        for _ in 0..8 {
            assert_eq!(log(path.to_str().unwrap(), &[]).code, 2);
        }
        let too_early = opened.load(Relaxed);
        drop(File::open(&path).unwrap());
        assert!(!too_early, "the pipe was opened");
    });
}

#[test]
fn an_unreadable_file_is_reported() {
    let ring = Ring::new(RingOptions::new(4096));
    fs::set_permissions(ring.path(), Permissions::from_mode(0o000)).unwrap();
    if File::open(ring.path()).is_ok() {
        println!("not shown: root may read everything");
        return;
    }
    let done = ring.log(&[]);
    assert_eq!(done.code, 6);
    assert!(done.one_line().contains("can't open"), "{}", done.stderr);
}

/// Each byte that is printed is the byte of its offset.
#[test]
fn a_ring_can_be_read_while_it_is_written() {
    let mut ring = Ring::new(RingOptions::new(4096));
    let stop = AtomicBool::new(false);
    let path = ring.path();
    std::thread::scope(|scope| {
        let writer = &mut ring.writer;
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                let number = writer.end() / 8;
                writer.extend(&number.to_le_bytes());
            }
        });
        for _ in 0..20 {
            let done = log(path.to_str().unwrap(), &["--verbose"]);
            assert_eq!(done.code, 0, "{}", done.stderr);
            let next = done.stderr.trim_end_matches("]\n").rsplit(' ').next().unwrap();
            let first = next.parse::<u64>().unwrap() - done.stdout.len() as u64;
            let text: Vec<u8> =
                (first / 8..).flat_map(u64::to_le_bytes).take(done.stdout.len() + 8).collect();
            let at = usize::try_from(first % 8).unwrap();
            assert!(done.stdout == text[at..at + done.stdout.len()]);
        }
        stop.store(true, Relaxed);
    });
}

/// The largest ring with the largest boot head is a sparse file of 2 GiB with some bytes at its end.
#[test]
fn f26_the_end_of_a_large_ring_is_printed_without_reading_all_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ring");
    let (capacity, head, tail) = (1_u64 << 30, 1_u64 << 30, 3_u64 << 30);
    let file = File::create_new(&path).unwrap();
    file.set_len(4096 + capacity + head + 8).unwrap();
    let word = |at: u64, value: u64| file.write_all_at(&value.to_ne_bytes(), at).unwrap();
    word(0, u64::from_le_bytes(*b"vuartrng"));
    for (at, value) in
        [(8, 1), (16, capacity), (24, head), (32, 0), (128, tail), (136, tail), (144, 0), (152, head)]
    {
        word(at, value);
    }
    let text = b"one\ntwo\nlogin: ";
    file.write_all_at(text, 4096 + capacity - text.len() as u64).unwrap();
    for (more, expected) in [
        (&["--last", "7"][..], "login: "),
        (&["--lines", "2"], "two\nlogin: "),
        (&["--from", &(tail - 11).to_string(), "--max", "3"], "two"),
    ] {
        let process = Process::without_input(
            &mut Runtime::new().vuart(&[&["log", path.to_str().unwrap()], more].concat()),
        );
        // What it has read is known as long as nobody has waited for it.
        let ended = process.wait_unreaped();
        let io = fs::read_to_string(format!("/proc/{ended}/io")).unwrap_or_default();
        let read = io.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse::<u64>().ok());
        let done = process.finish();
        assert_eq!((done.code, done.text().as_str()), (0, expected), "{more:?} {}", done.stderr);
        match read {
            Some(read) => assert!(read < 8 << 20, "{more:?}: {read} bytes were read"),
            None => println!("not shown: this system does not count what a process reads"),
        }
    }
}

/// `copytruncate` of logrotate, and worse: the reader says that the ring is damaged, and no signal ends it.
#[test]
fn f10_a_reader_survives_a_file_that_is_made_shorter() {
    let mut ring = Ring::new(RingOptions::new(1 << 16));
    ring.writer.extend(b"login: ");
    let path = ring.path();
    let mut follows =
        Process::without_input(&mut Runtime::new().vuart(&["log", path.to_str().unwrap(), "--follow"]));
    follows.expect_stdout(b"login: ");
    // The writer maps the file, and must not touch it any more.
    let Ring { directory, writer, scrollback } = ring;
    drop((writer, scrollback));
    File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    let done = follows.finish();
    assert_eq!(done.code, 2, "{}", done.stderr);
    assert!(done.one_line().contains("not a vuart ring"), "{}", done.stderr);
    drop(directory);
}
