//! The two engines show the same bytes.

mod common;

use common::{Rig, engines};

/// Typed alone, because LSR shows whether the next character has already arrived.
const REGISTERS: &[u8] = b"regs\r";

/// Everything that the monitor does, except `uptime`, whose output differs from run to run.
///
/// Each part is typed at once, when the part before it is done. ^C has a part of its own, because its effect depends on what
/// the guest is doing.
fn script() -> [Vec<u8>; 4] {
    let commands = [
        "help",
        "",
        "echo  all  of this ",
        "echo",
        "print 123",
        "print",
        "print 70000",
        "print 12x",
        "what is this",
        "HELP",
        " print  2 ",
        "echo ünïcode €",
    ];
    let commands = commands.map(|line| format!("{line}\r").into_bytes()).concat();
    let editing = [
        &b"echo a\x08b\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\n"[..],
        b"halt\x15\x1b[A\x1b[15~\x1bOQ\x1bzecho\t\x07\x0b1\x1b\r\n",
        b"echo \xff\x80\xe2\x82\x7f\x7f\x7f.\r",
        &[&b"echo "[..], &[b'y'; 9000], b"\x08z\r"].concat(),
    ]
    .concat();
    [commands, editing, b"abandoned\x03\r".to_vec(), REGISTERS.to_vec()]
}

#[test]
fn both_engines_show_the_same_bytes_for_the_same_input() {
    let outputs: Vec<_> = engines()
        .into_iter()
        .map(|engine| {
            let mut rig = Rig::boot_to_prompt(engine);
            for (number, part) in script().into_iter().enumerate() {
                let registers = part == REGISTERS;
                rig.type_in(part);
                if registers {
                    rig.wait_for("divisor, high byte\r\n> ");
                }
                rig.type_in(format!("echo end of part {number}\r"));
                rig.wait_for(format!("\r\nend of part {number}\r\n> "));
            }
            rig.type_in(b"halt\r");
            rig.wait_ended();
            rig.wait_for(b"halting\r\n");
            rig.output
        })
        .collect();
    let Some((first, others)) = outputs.split_first() else { return };
    for other in others {
        let differ =
            first.iter().zip(other).position(|(a, b)| a != b).unwrap_or(first.len().min(other.len()));
        let around = differ.saturating_sub(100)..;
        assert!(
            first == other,
            "they differ from byte {differ} on: {:?} and {:?}",
            String::from_utf8_lossy(&first[around.clone()]),
            String::from_utf8_lossy(&other[around])
        );
    }
}
