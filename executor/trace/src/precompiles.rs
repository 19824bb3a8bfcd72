//! Precompiles that a caller may have moved (`movePrecompileToAddress`).

use crate::error::TraceError;
use crate::world::World;
use alloy_primitives::Address;
use alloy_primitives::map::AddressSet;
use alloy_rpc_types_eth::state::StateOverride;
use revm::context::{Cfg, ContextTr};
use revm::handler::{EthPrecompiles, PrecompileProvider};
use revm::interpreter::{CallInputs, InterpreterResult};
use revm::primitives::hardfork::SpecId;
use std::collections::BTreeMap;

/// The precompiles of a fork, some of them elsewhere or gone.
pub(crate) struct Precompiles {
    standard: EthPrecompiles,
    moved: BTreeMap<Address, Address>,
    /// Where there are precompiles now.
    places: AddressSet,
}

impl Precompiles {
    pub(crate) fn new(spec: SpecId, world: &World<'_>) -> Self {
        let standard = EthPrecompiles::new(spec);
        let here = standard.warm_addresses().iter().copied();
        let mut places: AddressSet = here.filter(|place| !world.gone.contains(place)).collect();
        places.extend(world.moved.keys());
        Self { standard, moved: world.moved.clone(), places }
    }
}

impl World<'_> {
    /// Puts every precompile back to its place.
    pub fn restore_precompiles(&mut self) {
        self.moved.clear();
        self.gone.clear();
    }

    /// Applies overrides: what they do to precompiles, then their fields.
    ///
    /// # Errors
    /// As [`move_precompiles`](Self::move_precompiles); [`TraceError::State`].
    pub fn override_all(
        &mut self,
        overrides: &StateOverride,
        spec: SpecId,
    ) -> Result<(), TraceError> {
        for (address, change) in overrides {
            if change.state.is_some() && change.state_diff.is_some() {
                let reason = format!("account {address:#x} has both 'state' and 'stateDiff'");
                return Err(TraceError::Invalid { reason });
            }
        }
        self.move_precompiles(overrides, spec)?;
        Ok(self.override_accounts(overrides)?)
    }

    /// Applies what overrides do to precompiles: one that is named is no longer at its place, and is at its new one if there
    /// is one. Source: geth, `override.go`.
    ///
    /// # Errors
    /// [`TraceError::Invalid`] when what is to be moved is no precompile, or the target is overridden as well.
    pub fn move_precompiles(
        &mut self,
        overrides: &StateOverride,
        spec: SpecId,
    ) -> Result<(), TraceError> {
        let invalid = |reason: String| Err(TraceError::Invalid { reason });
        let before = Precompiles::new(spec, self);
        // By address, so that which of two that go to one place wins does not depend on chance.
        let sorted: BTreeMap<_, _> = overrides.iter().collect();
        for (address, change) in sorted {
            let there = before.places.contains(address);
            if let Some(target) = change.move_precompile_to {
                if !there {
                    return invalid(format!("account {address:#x} is not a precompile"));
                }
                if overrides.contains_key(&target) {
                    return invalid(format!("account {target:#x} is already overridden"));
                }
                let origin = before.moved.get(address).copied().unwrap_or(*address);
                self.moved.insert(target, origin);
            }
            if there {
                self.moved.remove(address);
                self.gone.insert(*address);
            }
        }
        Ok(())
    }
}

impl<C: ContextTr<Cfg: Cfg<Spec = SpecId>>> PrecompileProvider<C> for Precompiles {
    type Output = InterpreterResult;

    fn set_spec(&mut self, spec: SpecId) -> bool {
        <EthPrecompiles as PrecompileProvider<C>>::set_spec(&mut self.standard, spec)
    }

    fn run(
        &mut self,
        context: &mut C,
        inputs: &CallInputs,
    ) -> Result<Option<InterpreterResult>, String> {
        let place = inputs.bytecode_address;
        if !self.places.contains(&place) {
            return Ok(None);
        }
        match self.moved.get(&place) {
            Some(origin) => {
                let inputs = CallInputs { bytecode_address: *origin, ..inputs.clone() };
                self.standard.run(context, &inputs)
            }
            None => self.standard.run(context, inputs),
        }
    }

    /// Those of the fork, wherever the precompiles are now (geth).
    fn warm_addresses(&self) -> &AddressSet {
        self.standard.warm_addresses()
    }
}
