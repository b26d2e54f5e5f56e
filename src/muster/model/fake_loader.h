#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "muster/model/fake_model.h"

namespace muster::model {

/// A ModelLoader of fakes: what a path loads is what the test put there; any other path is absent.
class FakeLoader : public ModelLoader {
 public:
  void Put(const std::string& path, FakeModelOptions options) {
    models_[path] = std::move(options);
  }
  /// The fake that was loaded last, to hold and release its runs.
  FakeModel& last() { return *last_; }

  base::Result<std::unique_ptr<Model>> Load(const ModelSource& source,
                                            const LoadOptions&) override {
    const auto it = models_.find(source.path);
    if (it == models_.end()) return base::NotFound("no such file: " + source.DisplayName());
    auto model = std::make_unique<FakeModel>(it->second);
    last_ = model.get();
    return std::unique_ptr<Model>(std::move(model));
  }

 private:
  std::map<std::string, FakeModelOptions> models_;
  FakeModel* last_ = nullptr;
};

}  // namespace muster::model
