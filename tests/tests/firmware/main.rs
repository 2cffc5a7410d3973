//! Real firmware on the port: OpenSBI, and U-Boot to its prompt, in an emulated RISC-V machine, with a client at the console.
//!
//! Both drivers were written for hardware. They poll, so nothing here depends on interrupts.
//!
//! `bash .ci/firmware` gets the firmware. Without it these tests report that and pass. See `images.rs`.

mod board;
mod device;
mod images;
mod kermit;

use board::Board;

/// The address of the emulated machine's UART.
const UART: u64 = 0x1000_0000;

/// The address of free memory.
const MEMORY: u64 = 0x8400_0000;

/// Boots to U-Boot's prompt. A key stops U-Boot from booting an operating system.
fn at_the_prompt(firmware: Vec<u8>, shift: u8, width: u8) -> Board {
    let mut board = Board::new(firmware, shift, width);
    let opensbi = board.until("\nU-Boot 20");
    assert!(opensbi.contains("OpenSBI v"), "{opensbi}");
    assert!(opensbi.contains(": uart8250"), "{opensbi}");
    board.until("Hit any key to stop autoboot");
    board.types(" ");
    board.until("=> ");
    board
}

#[test]
fn registers_side_by_side() {
    let Some(firmware) = images::opensbi_and_u_boot() else { return };
    a_session(at_the_prompt(firmware, 0, 1), 0);
}

#[test]
fn registers_four_bytes_apart() {
    let Some(firmware) = images::opensbi_and_u_boot() else { return };
    a_session(at_the_prompt(firmware, 2, 4), 2);
}

/// Each of the two drivers resets the receiver when it starts, and reads what is left there. Input that waits behind the
/// receiver must not be lost.
#[test]
fn input_from_before_power_on_waits_for_the_prompt() {
    let Some(firmware) = images::opensbi_and_u_boot() else { return };
    let mut board = Board::new(firmware, 0, 1);
    let typed = "0123456789".repeat(10);
    board.types(format!("{typed}\r"));
    board.until("=> ");
    let command = board.until("\r\n");
    let command = command.trim_end();
    // The first character that U-Boot gets is the key that stops it from booting.
    assert!(typed.ends_with(command) && command.len() > typed.len() - 16, "{command}");
    board.until(format!("Unknown command '{command}'"));
}

fn a_session(mut board: Board, shift: u8) {
    let (boot, _) = board.counts();

    let version = board.command("version");
    assert!(version.starts_with("U-Boot 20"), "{version}");

    another_speed(&mut board);
    registers(&mut board, shift);
    a_paste(&mut board);
    an_interruption(&mut board);
    a_file(&mut board);

    assert!(board.history() == board.transcript(), "the history equals the live output");
    let (accesses, interrupts) = board.counts();
    eprintln!("{boot:?} to the prompt, {accesses:?} in all");
    assert_eq!(interrupts, 0, "no interrupt is enabled");
}

/// Reads and writes the registers with U-Boot's memory commands, past its driver.
fn registers(board: &mut Board, shift: u8) {
    let at = |register: u64| UART + (register << shift);
    board.command(&format!("mw.b {:x} 5a", at(7)));
    // From IER to SCR. RBR is left to the driver.
    let dump = dump(&board.command(&format!("md.b {:x} {:x}", at(1), (6 << shift) + 1)));
    let registers: Vec<u8> = dump.iter().copied().step_by(1 << shift).collect();
    let [ier, iir, lcr, mcr, lsr, _msr, scr] = registers[..] else { panic!("{registers:x?}") };
    // No interrupts; FIFOs on, nothing pending; 8N1; DTR and RTS; transmitter empty, nothing received.
    assert_eq!([ier, iir, lcr, mcr, lsr, scr], [0x00, 0xC1, 0x03, 0x03, 0x60, 0x5A]);
    // The bytes between two registers read 0.
    let mut gaps = dump.chunks(1 << shift).flat_map(|register| &register[1..]);
    assert!(gaps.all(|byte| *byte == 0), "{dump:x?}");

    board.command(&format!("mw.b {:x} a5", at(7)));
    assert_eq!(self::dump(&board.command(&format!("md.b {:x} 1", at(7)))), [0xA5]);
    assert_eq!(self::dump(&board.command(&format!("md.b {:x} 1", at(5)))), [0x60]);

    // Wider accesses: two neighbouring registers at once, or one register as wide as its distance.
    if shift == 0 {
        let both = board.command(&format!("md.w {:x} 1", at(4)));
        assert!(both.contains(": 6003 "), "{both}");
    } else {
        board.command(&format!("mw.l {:x} 12345678", at(7)));
        let scr = board.command(&format!("md.l {:x} 1", at(7)));
        assert!(scr.contains(": 00000078 "), "{scr}");
    }
}

/// The driver writes the divisor with DLAB while its console is in use. No byte of it is output.
fn another_speed(board: &mut Board) {
    board.types("setenv baudrate 9600\r");
    assert_eq!(
        board.until("press ENTER ...\r\n"),
        "setenv baudrate 9600\r\n## Switch baudrate to 9600 bps and press ENTER ...\r\n"
    );
    board.types("\r");
    assert_eq!(board.until("=> "), "=> ");
}

/// The bytes in the output of `md.b`. A line has an address, a colon, sixteen bytes, spaces, and the bytes as text.
fn dump(printed: &str) -> Vec<u8> {
    let bytes = printed.lines().flat_map(|line| {
        let (_, bytes) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?}"));
        let bytes = bytes.split_once("  ").map_or(bytes, |(bytes, _)| bytes);
        bytes.split(' ').map(move |byte| u8::from_str_radix(byte, 16).unwrap_or_else(|_| panic!("{line:?}")))
    });
    bytes.collect()
}

/// Pastes many commands at once. U-Boot takes characters only while it runs no command, and its receiver holds sixteen.
fn a_paste(board: &mut Board) {
    let words: Vec<String> = (0..50).map(|number| format!("word-{number:0200}")).collect();
    board.types(words.iter().fold(String::new(), |paste, word| paste + "echo " + word + "\r"));
    for word in words {
        assert_eq!(board.until("\n=> "), format!("echo {word}\r\n{word}\r\n=> "));
    }
}

/// Sends Ctrl-C to a busy guest.
fn an_interruption(board: &mut Board) {
    board.types("sleep 1000\r");
    board.until("sleep 1000\r\n");
    board.types("\x03");
    board.until("=> ");
}

/// Sends every byte value into the guest's memory, in packets that the guest checks and acknowledges.
fn a_file(board: &mut Board) {
    let file: Vec<u8> = (0..=u8::MAX).cycle().take(4096).collect();
    board.types(format!("loadb {MEMORY:x}\r"));
    board.until("bps...\r\n");
    kermit::send(board, &file);
    let said = board.until("\n=> ");
    assert!(said.contains("= 0x00001000 = 4096 Bytes"), "{said}");
    let sum = board.command(&format!("crc32 {MEMORY:x} {:x}", file.len()));
    assert!(sum.trim_end().ends_with(&format!("==> {:08x}", crc32(&file))), "{sum}");
}

/// The checksum that U-Boot's command `crc32` prints.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ ((crc & 1) * 0xEDB8_8320);
        }
    }
    !crc
}
