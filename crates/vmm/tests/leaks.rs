//! A machine leaves no thread and no file behind. This is the only test in its process, because it counts both.

mod common;

use std::fs;

use common::{Rig, on_each_engine};

fn entries(directory: &str) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[test]
fn a_machine_leaves_no_thread_and_no_file_behind() {
    on_each_engine(|engine| {
        // The first machine also makes what a process needs once.
        drop(Rig::boot_to_prompt(engine));
        let before = (entries("/proc/self/task"), entries("/proc/self/fd"));
        for cycle in 0..20 {
            let mut rig = Rig::boot_to_prompt(engine);
            match cycle % 3 {
                0 => drop(rig),
                1 => {
                    rig.machine().stop();
                    rig.join().unwrap();
                }
                _ => {
                    rig.type_in(b"halt\r");
                    rig.join().unwrap();
                }
            }
        }
        assert_eq!((entries("/proc/self/task"), entries("/proc/self/fd")), before);
    });
}
