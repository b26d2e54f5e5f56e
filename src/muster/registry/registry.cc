#include "muster/registry/registry.h"

#include <utility>

#include "muster/base/text.h"

namespace muster::registry {

using base::MutexLock;

std::string_view VersionStateName(VersionState state) {
  switch (state) {
    case VersionState::kLoading:
      return "LOADING";
    case VersionState::kReady:
      return "READY";
    case VersionState::kFailed:
      return "FAILED";
  }
  return "UNKNOWN";
}

bool Registry::VersionLess::operator()(const std::string& a, const std::string& b) const {
  // Numbers without leading zeros: the longer is the larger.
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

void Registry::SetLoading(const std::string& name, const std::string& version) {
  MutexLock lock(mutex_);
  models_[name][version] = {name, version, VersionState::kLoading, "", clock_.WallNow(), nullptr};
}

void Registry::SetReady(const ModelLease& lease) {
  ModelLease old;  // released after the lock
  MutexLock lock(mutex_);
  VersionEntry& entry = models_[lease->name][lease->version];
  old = std::exchange(entry.lease, lease);
  entry = {lease->name, lease->version, VersionState::kReady, "", clock_.WallNow(), lease};
}

void Registry::SetFailed(const std::string& name, const std::string& version, std::string reason) {
  ModelLease old;
  MutexLock lock(mutex_);
  VersionEntry& entry = models_[name][version];
  old = std::move(entry.lease);
  entry = {name, version, VersionState::kFailed, std::move(reason), clock_.WallNow(), nullptr};
}

base::Result<ModelLease> Registry::Find(std::string_view name, std::string_view version) const {
  MutexLock lock(mutex_);
  const std::string default_name = name.empty() ? DefaultNameLocked() : std::string();
  const std::string_view wanted = name.empty() ? std::string_view(default_name) : name;
  const auto model = models_.find(wanted);
  if (model == models_.end()) {
    if (wanted.empty()) return base::NotFound("no models are loaded", "MODEL_NOT_FOUND");
    std::vector<std::string_view> names;
    for (const auto& [known, versions] : models_) names.push_back(known);
    const std::string_view nearest = base::NearestOf(wanted, names);
    return base::NotFound(
        "model `" + base::Printable(wanted) + "` is not known" +
            (nearest.empty() ? "" : "; did you mean `" + std::string(nearest) + "`?"),
        "MODEL_NOT_FOUND");
  }
  const VersionEntry* found = nullptr;
  if (version.empty()) {
    for (const auto& [number, entry] : model->second) {
      if (entry.lease || found == nullptr || !found->lease) found = &entry;
    }
  } else if (const auto it = model->second.find(std::string(version)); it != model->second.end()) {
    found = &it->second;
  }
  if (found == nullptr) {
    return base::NotFound(
        "model `" + std::string(wanted) + "` has no version `" + base::Printable(version) + "`",
        "VERSION_NOT_FOUND");
  }
  if (!found->lease) {
    return base::Unavailable("model `" + std::string(wanted) + "` version " + found->version +
                                 " is not ready (" + std::string(VersionStateName(found->state)) +
                                 ")",
                             "MODEL_NOT_READY");
  }
  return found->lease;
}

void Registry::SetDefault(std::string name) {
  MutexLock lock(mutex_);
  default_ = std::move(name);
}

std::string Registry::DefaultName() const {
  MutexLock lock(mutex_);
  return DefaultNameLocked();
}

std::string Registry::DefaultNameLocked() const {
  if (!default_.empty()) return default_;
  return models_.empty() ? "" : models_.begin()->first;
}

std::vector<VersionEntry> Registry::List() const {
  MutexLock lock(mutex_);
  std::vector<VersionEntry> all;
  for (const auto& [name, versions] : models_) {
    for (const auto& [version, entry] : versions) all.push_back(entry);
  }
  return all;
}

void Registry::Clear() {
  decltype(models_) old;  // released after the lock
  MutexLock lock(mutex_);
  old.swap(models_);
}

}  // namespace muster::registry
