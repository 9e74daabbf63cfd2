//! Where the text on the screen stands against the center's: which revision it came from, and whether all of it is there. Pure.

/// One report's text, seen from this page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// The center's revision the text was edited from.
    rev: i64,
    /// Rises with each change on the screen.
    turn: u32,
    /// The turn the center is known to have.
    kept: u32,
}

/// What a save left to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Left {
    /// The center has what the screen shows: this machine's copy has done its work.
    Nothing,
    /// More was typed while the save was on its way.
    More,
}

impl Standing {
    /// The text is the center's, as it is.
    pub fn seat(&mut self, rev: i64) {
        self.rev = rev;
        self.turn += 1;
        self.kept = self.turn;
    }

    /// The text changed; the turn it is now.
    pub fn typed(&mut self) -> u32 {
        self.turn += 1;
        self.turn
    }

    /// The center answered the save of `turn`.
    pub fn saved(&mut self, turn: u32, rev: i64) -> Left {
        self.rev = rev;
        self.kept = turn;
        if self.is_clean() { Left::Nothing } else { Left::More }
    }

    /// What the screen shows is to replace the center's `rev`.
    pub fn rebase(&mut self, rev: i64) {
        self.rev = rev;
    }

    /// The center has all that the screen shows.
    pub const fn is_clean(&self) -> bool {
        self.turn == self.kept
    }

    pub const fn rev(&self) -> i64 {
        self.rev
    }

    pub const fn turn(&self) -> u32 {
        self.turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_the_center_has_what_the_screen_shows_nothing_is_left_to_keep_here() {
        let mut standing = Standing::default();
        standing.seat(3);
        let turn = standing.typed();
        assert!(!standing.is_clean());
        assert_eq!(standing.saved(turn, 4), Left::Nothing);
        assert_eq!((standing.is_clean(), standing.rev()), (true, 4));
    }

    #[test]
    fn what_is_typed_while_a_save_is_on_its_way_is_not_taken_for_saved() {
        let mut standing = Standing::default();
        standing.seat(3);
        let sent = standing.typed();
        standing.typed();
        assert_eq!(standing.saved(sent, 4), Left::More);
        assert_eq!((standing.is_clean(), standing.rev()), (false, 4));
    }

    #[test]
    fn text_chosen_over_the_centers_is_still_to_be_saved() {
        let mut standing = Standing::default();
        standing.seat(3);
        standing.typed();
        standing.rebase(7);
        assert_eq!((standing.is_clean(), standing.rev()), (false, 7));
    }
}
