//! Coalescing: output that KVM collects arrives complete, in order and in time, as without coalescing.

mod common;

use common::{Rig, engines, on_each_engine, port};
use vuart::coalescing::Coalescing;
use vuart::{PortCounters, PortState};
use vuart_test_support::until;
use vuart_vmm::{Burst, Counters, Engine, Error, Exit, Machine, MachineOptions, Program, printed_bytes};

const IER: u8 = 0xf9;
const LCR: u8 = 0xfb;
const MCR: u8 = 0xfc;

/// `mov dx, 0x300 + register; mov al, value; out dx, al`.
fn out(register: u8, value: u8) -> Vec<u8> {
    vec![0xba, register, 0x03, 0xb0, value, 0xee]
}

/// Writes a byte to THR `count` times, without looking at LSR.
fn print(count: u16, byte: u8) -> Vec<u8> {
    let [low, high] = count.to_le_bytes();
    vec![
        0xb9, low, high, // mov cx, count
        0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0xb0, byte, // mov al, byte
        0xee, // out dx, al
        0xe2, 0xfd, // loop to the out
    ]
}

/// `mov al, 0xfe; out 0x64, al; hlt`.
fn reset() -> Vec<u8> {
    vec![0xb0, 0xfe, 0xe6, 0x64, 0xf4]
}

/// The state after a program.
#[derive(Debug, PartialEq)]
struct Left {
    output: Vec<u8>,
    port: PortCounters,
    state: PortState,
}

/// Runs a program to its end.
fn run(engine: Engine, program: Program, coalescing: bool) -> (Left, Counters) {
    let (port, irq) = port();
    let ends = if matches!(program, Program::Code(_)) { Exit::Reset } else { Exit::Halted };
    let mut options = MachineOptions::default().with_program(program);
    if !coalescing {
        options = options.without_coalescing();
    }
    let machine = Machine::start_with(engine, port.clone(), irq, options).unwrap();
    common::wait_readable(machine.ended());
    let counters = machine.counters();
    assert_eq!(machine.join().unwrap(), ends);
    let port = port.lock().unwrap();
    let scrollback = port.console().scrollback();
    let mut output = vec![0; usize::try_from(scrollback.end()).unwrap()];
    assert_eq!(scrollback.read_at(0, &mut output).len(), output.len());
    (Left { output, port: port.counters(), state: port.state() }, counters)
}

/// Runs machine code with and without coalescing, and checks that only the counters differ.
fn alike(code: &[Vec<u8>]) -> Option<(Left, Counters)> {
    engines().contains(&Engine::Kvm).then(|| {
        let program = Program::Code(code.concat());
        let (plain, exits) = run(Engine::Kvm, program.clone(), false);
        assert_eq!((exits.coalesced, exits.registrations), (0, 0));
        let (left, counters) = run(Engine::Kvm, program, true);
        assert_eq!(left, plain);
        (left, counters)
    })
}

#[test]
fn every_byte_of_a_print_arrives_in_order() {
    on_each_engine(|engine| {
        for burst in [Burst::Bytes, Burst::String] {
            for bytes in [0, 1, 15, 16, 17, 127, 128, 129, 10_000] {
                let program = Program::Print { bytes, burst };
                let (plain, _) = run(engine, program.clone(), false);
                let (left, counters) = run(engine, program, true);
                assert!(plain.output == printed_bytes(bytes), "{engine}, {burst:?}, {bytes} bytes");
                assert!(left == plain, "{engine}, {burst:?}, {bytes} bytes, {counters:?}");
            }
        }
    });
}

#[test]
fn a_print_leaves_the_guest_only_to_look_at_lsr() {
    on_each_engine(|engine| {
        let bytes = 64 << 10;
        for burst in [Burst::Bytes, Burst::String] {
            let (_, counters) = run(engine, Program::Print { bytes, burst }, true);
            if engine == Engine::Software {
                assert_eq!(counters, Counters::default());
                continue;
            }
            let looks = u64::from(bytes) / 16 + 1;
            assert_eq!(counters.registrations, 1, "{counters:?}");
            assert!(counters.exits - counters.kicks <= looks + Coalescing::RUN as u64 + 16, "{counters:?}");
        }
    });
}

#[test]
fn a_full_ring_loses_nothing() {
    // More than KVM's ring holds, without any other access in between.
    let Some((left, counters)) = alike(&[print(5000, b'x'), reset()]) else { return };
    assert_eq!(left.output, [b'x'; 5000]);
    assert!(counters.coalesced > 4000, "{counters:?}");
}

#[test]
fn a_string_instruction_longer_than_the_ring_loses_nothing() {
    // The string is the program's own code.
    let string = vec![
        0x0e, 0x1f, // push cs; pop ds
        0xfc, // cld
        0xbe, 0x00, 0x00, // mov si, 0
        0xb9, 0xe8, 0x03, // mov cx, 1000
        0xba, 0xf8, 0x03, // mov dx, 0x3f8
        0xf3, 0x6e, // rep outsb
    ];
    // The stack is in the guest's memory below 0x10000, which the program does not use otherwise.
    let stack = vec![0xbc, 0x00, 0x80]; // mov sp, 0x8000
    let text: Vec<u8> = (0..2000u32).map(|number| number.to_le_bytes()[0]).collect();
    let code = [stack, print(200, b'x'), string, reset(), text];
    let Some((left, counters)) = alike(&code) else { return };
    let (run, string) = left.output.split_at(200);
    assert_eq!(run, [b'x'; 200]);
    assert!(string == &code.concat()[..1000], "{counters:?}");
    assert!(counters.coalesced > 0, "{counters:?}");
}

#[test]
fn collected_output_arrives_before_a_later_register_access() {
    // Long enough that the zone is registered each time.
    let long = 9000;
    let code = [
        print(long, b'a'),
        // A divisor, and not output.
        out(LCR, 0x83),
        print(1, 0x0c),
        out(LCR, 0x03),
        print(long, b'b'),
        // Loopback: received, and not output.
        out(MCR, 0x1b),
        print(3, b'l'),
        out(MCR, 0x0b),
        print(long, b'c'),
        // The THRE interrupt, and a byte in answer to it.
        out(IER, 0x02),
        print(1, b'd'),
        out(IER, 0x00),
        print(long, b'e'),
        reset(),
    ];
    let Some((left, counters)) = alike(&code) else { return };
    let expected = [&[b'a'; 9000][..], &[b'b'; 9000], &[b'c'; 9000], b"d", &[b'e'; 9000]].concat();
    assert_eq!(String::from_utf8(left.output).unwrap(), String::from_utf8(expected).unwrap());
    assert_eq!(left.port.interrupts, 1);
    assert_eq!(counters.registrations, 4, "{counters:?}");
}

#[test]
fn a_console_that_disables_interrupts_around_each_line_keeps_its_output() {
    for (length, registrations) in [(79, 0), (200, 1)] {
        let line = [out(IER, 0x00), print(length, b'x'), print(1, b'\n'), out(IER, 0x02)].concat();
        let mut code = vec![line; 50];
        code.push(reset());
        let Some((left, counters)) = alike(&code) else { return };
        let line = [vec![b'x'; length.into()], vec![b'\n']].concat();
        assert_eq!(left.output, line.repeat(50));
        assert_eq!(left.port.interrupts, 50);
        assert_eq!(
            counters.registrations, registrations,
            "a short line must not register a zone: {counters:?}"
        );
    }
}

#[test]
fn the_last_output_of_a_silent_guest_arrives() {
    if !engines().contains(&Engine::Kvm) {
        return;
    }
    // cli; hlt, and a jmp to itself.
    for silence in [vec![0xfa, 0xf4], vec![0xeb, 0xfe]] {
        let code = [print(200, b'x'), print(1, b'!'), silence].concat();
        let mut rig = Rig::boot_program(Engine::Kvm, Program::Code(code));
        let seen = rig.wait_for(b"!");
        assert_eq!(seen, [&[b'x'; 200][..], b"!"].concat());
        let counters = rig.machine().counters();
        assert!(counters.coalesced > 0 && counters.kicks > 0, "{counters:?}");
        rig.machine().stop();
        assert_eq!(rig.join().unwrap(), Exit::Stopped);
    }
}

#[test]
fn a_guest_that_is_stopped_while_it_prints_loses_nothing() {
    if !engines().contains(&Engine::Kvm) {
        return;
    }
    let (port, irq) = port();
    // mov dx, 0x3f8; mov al, 0; out dx, al; inc al; and again.
    let code = vec![0xba, 0xf8, 0x03, 0xb0, 0x00, 0xee, 0xfe, 0xc0, 0xeb, 0xfb];
    let options = MachineOptions::default().with_program(Program::Code(code));
    let machine = Machine::start_with(Engine::Kvm, port.clone(), irq, options).unwrap();
    until("KVM collects output", || machine.counters().coalesced > 0);
    machine.stop();
    common::wait_readable(machine.ended());
    let counters = machine.counters();
    assert_eq!(machine.join().unwrap(), Exit::Stopped);
    let port = port.lock().unwrap();
    let scrollback = port.console().scrollback();
    let from = scrollback.oldest();
    let mut output = vec![0; usize::try_from(scrollback.end() - from).unwrap()];
    assert_eq!(scrollback.read_at(from, &mut output).len(), output.len());
    // Each exit that is not a kick was for one byte.
    assert_eq!(scrollback.end(), counters.coalesced + counters.exits - counters.kicks);
    for (offset, byte) in (from..).zip(output) {
        assert_eq!(byte, offset.to_le_bytes()[0]);
    }
}

#[test]
fn the_last_output_of_a_crashed_guest_arrives() {
    if !engines().contains(&Engine::Kvm) {
        return;
    }
    // jmp 0xf000:0, where the machine has no memory.
    let code = [print(300, b'x'), vec![0xea, 0x00, 0x00, 0x00, 0xf0]].concat();
    let (port, irq) = port();
    let options = MachineOptions::default().with_program(Program::Code(code));
    let machine = Machine::start_with(Engine::Kvm, port.clone(), irq, options).unwrap();
    common::wait_readable(machine.ended());
    assert!(machine.counters().coalesced > 0);
    assert!(matches!(machine.join(), Err(Error::GuestCrashed(_))));
    assert_eq!(port.lock().unwrap().console().scrollback().end(), 300);
}

#[test]
fn the_software_engine_rejects_machine_code() {
    let (port, irq) = port();
    let options = MachineOptions::default().with_program(Program::Code(reset()));
    let machine = Machine::start_with(Engine::Software, port, irq, options).unwrap();
    assert!(matches!(machine.join(), Err(Error::NoProcessor)));
}
