//! Who gets which pieces of a turn. This file does not know sockets.
//!
//! A turn lists for each piece who gets it; a connection wants all its pieces at once, in their order.
//! They are strung into a chain for each connection, in one pass and without sorting.

use roundtable::ConnId;

use crate::table::slot_of;

/// The chains of one turn. Their memory is used again.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    /// By slot. One that has no link is empty.
    chains: Vec<Chain>,
    links: Vec<Link>,
    /// Who has a chain, in the order in which they began.
    conns: Vec<ConnId>,
}

/// Its first and its last link.
#[derive(Clone, Copy, Debug)]
struct Chain {
    first: u32,
    last: u32,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    piece: u32,
    next: u32,
}

/// No link.
const NONE: u32 = u32::MAX;

impl Deliveries {
    /// Notes that `conn` gets the piece, behind those that it gets already. In one turn, no other
    /// connection may have its slot.
    pub(crate) fn add(&mut self, conn: ConnId, piece: usize) {
        let slot = slot_of(conn);
        if slot >= self.chains.len() {
            self.chains.resize(slot + 1, Chain { first: NONE, last: NONE });
        }
        let chain = &mut self.chains[slot];
        let link = narrow(self.links.len());
        if chain.first == NONE {
            chain.first = link;
            self.conns.push(conn);
        } else {
            self.links[chain.last as usize].next = link;
        }
        chain.last = link;
        self.links.push(Link { piece: narrow(piece), next: NONE });
    }

    /// Who gets anything.
    pub(crate) fn conns(&self) -> &[ConnId] {
        &self.conns
    }

    /// The pieces that `conn` gets, in order.
    pub(crate) fn of(&self, conn: ConnId) -> impl Iterator<Item = usize> + Clone + '_ {
        let mut next = self.chains[slot_of(conn)].first;
        std::iter::from_fn(move || {
            let link = self.links.get(next as usize)?;
            next = link.next;
            Some(link.piece as usize)
        })
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        for conn in self.conns.drain(..) {
            self.chains[slot_of(conn)].first = NONE;
        }
        self.links.clear();
    }
}

/// A turn's events, and so its deliveries, are far fewer than 2^32.
fn narrow(index: usize) -> u32 {
    u32::try_from(index).ok().filter(|index| *index != NONE).expect("fewer than 2^32 deliveries")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::Table;

    proptest! {
        #[test]
        fn everybody_gets_their_pieces_in_order(
            turns in prop::collection::vec(prop::collection::vec((0_usize..9, 0_usize..50), 0..60), 1..4),
        ) {
            let mut table = Table::new(1);
            let people: Vec<ConnId> = (0..9).map(|_| table.insert(|conn| conn)).collect();
            let mut deliveries = Deliveries::default();
            for mut turn in turns {
                turn.sort_by_key(|(_, piece)| *piece);
                for (who, piece) in &turn {
                    deliveries.add(people[*who], *piece);
                }
                for (who, conn) in people.iter().enumerate() {
                    let all = turn.iter().filter(|(of, _)| *of == who).map(|(_, piece)| *piece);
                    let all: Vec<usize> = all.collect();
                    prop_assert_eq!(deliveries.conns().contains(conn), !all.is_empty());
                    if !all.is_empty() {
                        prop_assert_eq!(deliveries.of(*conn).collect::<Vec<_>>(), all);
                    }
                }
                deliveries.clear();
                prop_assert!(deliveries.conns().is_empty());
            }
        }
    }
}
