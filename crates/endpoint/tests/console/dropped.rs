//! A port that is dropped (F7).

use super::*;

#[test]
fn f7_a_dropped_port_ends_the_console_with_a_cause_of_its_own() {
    let (mut writer, console, input) = console();
    let mut told = told(&console);
    let mut owner = console.attach(who("alice")).unwrap();
    let watcher = console.attach(who("bob").with_mode(Mode::Spectate)).unwrap();
    told();
    owner.write(b"typed").unwrap();
    writer.extend(b"last words");
    drop((input, writer));
    // Nobody has used the console since. The sessions find out by themselves.
    assert_eq!(owner.end().unwrap().cause, Cause::PortDropped);
    assert_eq!((watcher.end_offset(), owner.end_offset()), (Some(10), Some(10)));
    assert_eq!(owner.write(b"more").unwrap_err().cause, Cause::PortDropped, "nothing more is accepted");
    let mut buf = [0; 64];
    let read = owner.read(&mut buf);
    assert_eq!(&buf[..read.len()], b"last words");
    assert!(matches!(
        console.attach(who("carol")),
        Err(Refused::Ended { end: End { cause: Cause::PortDropped, .. } })
    ));
    console.end(&Cause::VmEnded);
    assert_eq!(console.ended().unwrap().cause, Cause::PortDropped, "only the first end counts");
    let events = told();
    let kinds: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["over", "ended", "ended", "refused"]);
    assert_eq!(events[0]["cause"]["code"], "port-dropped");
}

#[test]
fn f7_each_way_to_look_at_a_console_sees_that_its_port_was_dropped() {
    let looks: [fn(&Console) -> bool; 5] = [
        |console| console.ended().is_some(),
        |console| console.owner().is_none(),
        |console| console.sessions().is_empty(),
        |console| console.counters().ended == 1,
        |console| console.service(Instant::now()).is_none() && console.ended().is_some(),
    ];
    for (number, look) in looks.iter().enumerate() {
        let (_writer, console, input) = console();
        console.set_policy(Policy::default().with_idle(Duration::from_secs(3600)));
        let _owner = console.attach(who("alice")).unwrap();
        drop(input);
        assert!(look(&console), "look {number}");
    }
}

#[test]
fn f7_an_end_that_says_why_comes_before_the_drop() {
    let (_writer, console, input) = console();
    let owner = console.attach(who("alice")).unwrap();
    console.end(&Cause::Migrating);
    drop(input);
    assert_eq!(owner.end().unwrap().cause, Cause::Migrating);
    assert_eq!(console.ended().unwrap().cause, Cause::Migrating);
}
