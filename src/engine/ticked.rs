//! What a tick of the clockwork did.

/// What a tick did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ticked {
    pub rung: u64,
    pub fired: u64,
    pub released: u64,
    pub walked: u64,
    /// Rings that changed nothing but the alarm.
    pub idle_rings: u64,
}

impl std::ops::AddAssign for Ticked {
    fn add_assign(&mut self, other: Ticked) {
        self.rung += other.rung;
        self.fired += other.fired;
        self.released += other.released;
        self.walked += other.walked;
        self.idle_rings += other.idle_rings;
    }
}
