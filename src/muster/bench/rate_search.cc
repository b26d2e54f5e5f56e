#include "muster/bench/rate_search.h"

#include <algorithm>
#include <cmath>

namespace muster::bench {
namespace {

class Search {
 public:
  using Measure = std::function<base::Result<double>(double rate)>;

  Search(const RateSearchOptions& options, const Measure& measure)
      : options_(options), measure_(measure) {}

  base::Status Run() {
    MUSTER_RETURN_IF_ERROR(Bracket());
    if (low_ == 0) return {};
    while (high_ > low_ * (1 + options_.precision)) {
      const double middle = std::sqrt(low_ * high_);
      MUSTER_ASSIGN_OR_RETURN(const bool enough, TryTwice(middle));
      (enough ? low_ : high_) = middle;
    }
    return Confirm();
  }

  RateSearchResult& result() { return result_; }

 private:
  base::Result<bool> TryTwice(double rate) {
    MUSTER_ASSIGN_OR_RETURN(const bool enough, Try(rate));
    if (enough || result_.steps.back().share < options_.hopeless) return enough;
    return Try(rate);
  }

  base::Result<bool> Try(double rate) {
    MUSTER_ASSIGN_OR_RETURN(const double share, measure_(rate));
    const bool enough = share >= options_.share;
    result_.steps.push_back({rate, share, enough});
    return enough;
  }

  /// Afterwards low_ was good enough (0: none was) and high_ was not (or is low_: no limit found).
  base::Status Bracket() {
    double rate = std::clamp(options_.first, options_.lowest, options_.highest);
    MUSTER_ASSIGN_OR_RETURN(bool enough, TryTwice(rate));
    const bool up = enough;
    while (enough == up) {
      (enough ? low_ : high_) = rate;
      const double next = std::clamp(up ? rate * 2 : rate / 2, options_.lowest, options_.highest);
      if (next == rate) {
        if (up) high_ = low_;
        result_.unbounded = up;
        return {};
      }
      rate = next;
      MUSTER_ASSIGN_OR_RETURN(enough, TryTwice(rate));
    }
    (enough ? low_ : high_) = rate;
    return {};
  }

  base::Status Confirm() {
    double rate = low_;
    for (int miss = 1; rate >= options_.lowest; ++miss) {
      MUSTER_ASSIGN_OR_RETURN(const bool enough, Try(rate));
      if (enough) {
        result_.rate = rate;
        return {};
      }
      result_.unbounded = false;
      rate /= 1 + options_.precision * miss;
    }
    return {};
  }

  const RateSearchOptions& options_;
  const Measure& measure_;
  RateSearchResult result_;
  double low_ = 0;
  double high_ = 0;
};

}  // namespace

base::Result<RateSearchResult> FindRate(
    const RateSearchOptions& options,
    const std::function<base::Result<double>(double rate)>& measure) {
  if (!(options.first > 0 && options.lowest > 0 && options.share > 0 && options.precision > 0)) {
    return base::InvalidArgument("rates, share and precision of a search must be above 0");
  }
  Search search(options, measure);
  const base::Status done = search.Run();
  if (!done && done.error().code != base::Code::kCancelled) return done.error();
  search.result().interrupted = !done;
  return std::move(search.result());
}

}  // namespace muster::bench
