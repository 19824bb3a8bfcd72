//! Notes about accounts, by address.

use super::Tracked;
use alloy_primitives::Address;
use alloy_primitives::map::AddressMap;

/// Accounts up to which they are looked through one by one: that is faster than a keyed hash, and most transactions touch
/// fewer.
const FEW: usize = 12;

/// Accounts from which on the memory is given back after the transaction.
const KEPT_MAX: usize = 1024;

/// Notes about the accounts of one transaction, in the order in which it came to them.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    list: Vec<(Address, Tracked)>,
    /// Where each of the list is, once they are many; else empty.
    places: AddressMap<usize>,
}

impl Accounts {
    fn place(&self, address: &Address) -> Option<usize> {
        if self.places.is_empty() {
            self.list.iter().position(|(of, _)| of == address)
        } else {
            self.places.get(address).copied()
        }
    }

    pub(crate) fn get(&self, address: &Address) -> Option<&Tracked> {
        self.place(address).map(|place| &self.list[place].1)
    }

    pub(crate) fn get_mut(&mut self, address: &Address) -> Option<&mut Tracked> {
        self.place(address).map(|place| &mut self.list[place].1)
    }

    /// The notes about an account, empty ones if there are none yet.
    pub(crate) fn note(&mut self, address: Address) -> &mut Tracked {
        let place = self.place(&address).unwrap_or_else(|| {
            let place = self.list.len();
            self.list.push((address, Tracked::default()));
            if place == FEW {
                let all = self.list.iter().enumerate();
                self.places = all.map(|(place, (address, _))| (*address, place)).collect();
            } else if place > FEW {
                self.places.insert(address, place);
            }
            place
        });
        &mut self.list[place].1
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Address, Tracked)> {
        self.list.iter()
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        if self.list.len() > KEPT_MAX {
            *self = Self::default();
            return;
        }
        self.list.clear();
        if !self.places.is_empty() {
            self.places.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_accounts_are_found_by_their_addresses_in_the_order_of_their_coming() {
        let mut accounts = Accounts::default();
        for round in 0..2 {
            for n in 0..40_u8 {
                let address = Address::with_last_byte(n ^ 5);
                assert!(accounts.get(&address).is_none(), "round {round}, account {n}");
                accounts.note(address).nonce = true;
                accounts.note(address).relic = n % 2 == 0;
                assert_eq!(accounts.iter().count(), usize::from(n) + 1);
                for m in 0..=n {
                    let tracked = accounts.get(&Address::with_last_byte(m ^ 5)).unwrap();
                    assert!(tracked.nonce && tracked.relic == (m % 2 == 0));
                }
            }
            let order: Vec<u8> = accounts.iter().map(|(address, _)| address[19] ^ 5).collect();
            assert_eq!(order, (0..40).collect::<Vec<u8>>());
            accounts.clear();
        }
    }
}
