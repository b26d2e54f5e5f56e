#pragma once

#include "apps/muster/options.h"

namespace muster::app {

/// Raises the soft limit of descriptors as far as the hard one and the connections of `options`
/// make sense; logs what it did. Before the listeners, which derive their caps from it.
void RaiseDescriptorLimit(const Options& options);

}  // namespace muster::app
