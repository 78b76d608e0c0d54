//! `reveille demo --stay`: what is saved in its campaigns is taken up without being asked, and what is wrong is told.

mod cli_house;

use cli_house::House;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn a_saved_campaign_is_taken_up_and_a_bad_one_is_told() {
    let house = House::new();
    let asked = [
        "demo",
        "--stay",
        "--days",
        "1",
        "--customers",
        "10",
        "--dir",
        "demo",
    ];
    let mut demo = (house
        .command(&asked)
        .stdout(Stdio::piped())
        .stderr(Stdio::null()))
    .spawn()
    .unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    // Each waits for the demo's own word; a demo that ends early ends the lines, too.
    let mut until = |word: &str| {
        let mut told = String::new();
        for line in lines.by_ref() {
            told.push_str(&line);
            told.push('\n');
            if line.contains(word) {
                return told;
            }
        }
        panic!("it ended without {word:?}: {told}");
    };
    until("what is saved is taken up at once");
    let file = house.path("demo/campaigns/welcome.toml");
    let good = fs::read_to_string(&file).unwrap();

    // What editors write for themselves is no change; the next save is told alone.
    fs::write(house.path("demo/campaigns/.welcome.toml.swp"), "x").unwrap();
    fs::write(house.path("demo/campaigns/welcome.toml~"), "x").unwrap();
    fs::write(
        &file,
        good.replace("after     = \"10m\"", "after     = \"20m\""),
    )
    .unwrap();
    let told = until("taken up:");
    assert!(told.contains("taken up: welcome.toml\n"), "{told}");
    assert!(!told.contains("error"), "{told}");

    fs::write(&file, good.replace("[trigger]", "[triger]")).unwrap();
    let told = until("last good version");
    assert!(
        told.contains("triger") && told.contains("welcome.toml:"),
        "{told}"
    );

    fs::write(&file, good).unwrap();
    let told = until("taken up:");
    assert!(
        told.contains("reloaded\n") && !told.contains("error"),
        "{told}"
    );
    // What was bad was told, and not said to be taken up.
    assert_eq!(told.matches("taken up:").count(), 1, "{told}");

    kill_process(Pid::from_child(&demo), Signal::TERM).unwrap();
    assert!(demo.wait().unwrap().success());
}
