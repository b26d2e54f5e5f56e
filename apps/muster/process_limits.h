#pragma once

#include "apps/muster/options.h"

namespace muster::app {

/// Raises the soft limit of descriptors as far as the hard one and the connections of `options`
/// make sense; logs what it did. Before the listeners, which derive their caps from it.
void RaiseDescriptorLimit(const Options& options);

/// Makes the allocator give the memory of large bodies back to the system. Before any thread
/// starts.
void ReturnLargeMemory();

}  // namespace muster::app
