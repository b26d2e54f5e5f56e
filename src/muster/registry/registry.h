#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/mutex.h"
#include "muster/base/result.h"
#include "muster/registry/model_lease.h"

namespace muster::registry {

enum class VersionState : std::uint8_t { kLoading, kReady, kFailed };
std::string_view VersionStateName(VersionState state);  // "LOADING", "READY", "FAILED"

/// One version as a list shows it; `lease` only where it is ready.
struct VersionEntry {
  std::string name;
  std::string version;
  VersionState state = VersionState::kLoading;
  std::string reason;  ///< why it failed
  base::WallTime changed_at;
  ModelLease lease;
};

/// Which versions of which models there are and in which state. Thread-safe; lookups copy a lease
/// and never wait for a load.
class Registry {
 public:
  explicit Registry(base::Clock& clock) : clock_(clock) {}

  void SetLoading(const std::string& name, const std::string& version);
  void SetReady(const ModelLease& lease);
  void SetFailed(const std::string& name, const std::string& version, std::string reason);

  /// The version asked for, or the highest ready one where `version` is empty. An empty `name`
  /// means the default model: `default_name` if set, else the only one, else the first by name.
  /// Errors: NOT_FOUND "MODEL_NOT_FOUND" (with the nearest name) or "VERSION_NOT_FOUND";
  /// UNAVAILABLE "MODEL_NOT_READY" for one that is known but not loaded.
  base::Result<ModelLease> Find(std::string_view name, std::string_view version) const;
  void SetDefault(std::string name);
  std::string DefaultName() const;
  /// By name, then by version number.
  std::vector<VersionEntry> List() const;
  /// Drops every lease the registry holds.
  void Clear();

 private:
  struct VersionLess {
    bool operator()(const std::string& a, const std::string& b) const;
  };
  using Versions = std::map<std::string, VersionEntry, VersionLess>;

  std::string DefaultNameLocked() const MUSTER_REQUIRES(mutex_);

  base::Clock& clock_;
  mutable base::Mutex mutex_;
  std::map<std::string, Versions, std::less<>> models_ MUSTER_GUARDED_BY(mutex_);
  std::string default_ MUSTER_GUARDED_BY(mutex_);
};

}  // namespace muster::registry
