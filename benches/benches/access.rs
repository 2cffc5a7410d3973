//! Single register accesses, of ours and of vm-superio, for work on them: criterion compares with the run before.
//! The figures with goals are those of the table.

#[path = "../src/devices.rs"]
mod devices;

use std::hint::black_box;
use std::io;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use vm_device::MutDevicePio;
use vm_device::bus::PioAddress;
use vuart::uart::spec::offset;

use self::devices::{PeerOnBus, Registers};

const READS: [(&str, u8); 4] = [
    ("LSR read", offset::LSR),
    ("IIR read", offset::IIR),
    ("MSR read", offset::MSR),
    ("RBR read", offset::RBR),
];

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50)
        .without_plots()
        .configure_from_args();
    thr(&mut criterion.benchmark_group("THR write"));
    thr_on_bus(&mut criterion.benchmark_group("THR write on a bus"));
    for (name, register) in READS {
        read(&mut criterion.benchmark_group(name), register);
    }
    string(&mut criterion.benchmark_group("THR string of 16 bytes"));
    criterion.final_summary();
}

/// THR writes with no client attached. vm-superio writes to a sink that keeps nothing.
fn thr(group: &mut BenchmarkGroup<'_, WallTime>) {
    let (mut port, mut peer) = (devices::port(), devices::peer(io::sink()));
    let both: [(&str, &mut dyn Registers); 2] = [("vuart", &mut port), ("vm-superio", &mut peer)];
    for (name, device) in both {
        let device = black_box(device);
        group.bench_function(name, |bencher| bencher.iter(|| device.write_register(offset::THR, b'x')));
    }
}

/// THR writes through a bus, which is how a VMM calls its devices.
fn thr_on_bus(group: &mut BenchmarkGroup<'_, WallTime>) {
    const COM1: PioAddress = PioAddress(0x3F8);

    let mut port = devices::port();
    let mut peer = PeerOnBus(devices::peer(io::sink()));
    let both: [(&str, &mut dyn MutDevicePio); 2] = [("vuart", &mut port), ("vm-superio", &mut peer)];
    for (name, device) in both {
        group.bench_function(name, |bencher| {
            bencher.iter(|| device.pio_write(COM1, black_box(u16::from(offset::THR)), black_box(b"x")));
        });
    }
}

fn read(group: &mut BenchmarkGroup<'_, WallTime>, register: u8) {
    let (mut port, mut peer) = (devices::port(), devices::peer(io::sink()));
    let both: [(&str, &mut dyn Registers); 2] = [("vuart", &mut port), ("vm-superio", &mut peer)];
    for (name, device) in both {
        let device = black_box(device);
        group.bench_function(name, |bencher| bencher.iter(|| device.read_register(register)));
    }
}

/// Accesses of 16 bytes. vm-superio has none, so a VMM calls it for each byte.
fn string(group: &mut BenchmarkGroup<'_, WallTime>) {
    let bytes = *b"0123456789abcdef";
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    let mut port = devices::port();
    group.bench_function("vuart", |bencher| {
        bencher.iter(|| port.write_string(black_box(u64::from(offset::THR)), black_box(&bytes)));
    });
    let mut peer = devices::peer(io::sink());
    group.bench_function("vm-superio", |bencher| {
        bencher.iter(|| {
            for byte in black_box(&bytes) {
                let _ = black_box(peer.write(black_box(offset::THR), *byte));
            }
        });
    });
}
