#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "muster/server/codec/infer.h"
#include "muster/server/codec/internal/json_reader.h"

namespace muster::server::codec::internal {

/// What one request of the Open Inference Protocol asks of the model's outputs.
class InferOutputs {
 public:
  /// Both arguments outlive this.
  InferOutputs(JsonReader& reader, const registry::ServedVersion& model)
      : reader_(reader), model_(model), seen_(model.spec.outputs.size()) {}

  /// The list `outputs`. Errors: those of DecodeInfer.
  base::Status Read(od::value outputs, const Path& path);
  /// In the order asked, all where none was; `binary` holds for those that do not say themselves.
  std::vector<RequestedOutput> Finish(bool binary) const;

 private:
  struct Asked {
    std::optional<std::string> name;
    std::size_t index = 0;  // into the model's
    std::optional<bool> binary;
    std::uint64_t classification = 0;
  };

  base::Status ReadItem(od::value item, const Path& path);
  base::Status ReadOpenItem(od::object item, Asked& asked, const Path& path);
  base::Status ReadParameter(std::string_view key, od::value value, Asked& asked, const Path& path);
  base::Status Place(Asked& asked, const Path& path);

  JsonReader& reader_;
  const registry::ServedVersion& model_;
  std::vector<bool> seen_;
  std::vector<Asked> asked_;
};

}  // namespace muster::server::codec::internal
