#include "muster/server/codec/internal/json_path.h"

#include <vector>

#include "muster/base/text.h"

namespace muster::server::codec::internal {
namespace {

// A deep path is shown by its beginning and its end.
constexpr std::size_t kShownFrames = 12;

}  // namespace

std::string Path::ToString() const {
  std::vector<const Path*> frames;
  for (const Path* p = this; p != nullptr; p = p->up_) frames.push_back(p);
  std::string text;
  for (std::size_t i = frames.size(); i-- > 0;) {
    if (frames.size() - i > kShownFrames && i > kShownFrames) {
      if (!text.ends_with("…")) text += "…";
      continue;
    }
    const Path& frame = *frames[i];
    if (frame.index_ >= 0) {
      text += '[' + std::to_string(frame.index_) + ']';
    } else {
      if (!text.empty()) text += '.';
      text += base::Printable(frame.key_);
    }
  }
  return text;
}

}  // namespace muster::server::codec::internal
