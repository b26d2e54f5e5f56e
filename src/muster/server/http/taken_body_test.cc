#include "muster/server/http/connection_fixture.h"

namespace muster::server::http {
namespace {

using TakenBodyTest = ConnectionFixture;

std::string_view Text(const TakenBody& body) {
  return {reinterpret_cast<const char*>(body.bytes.data()), body.bytes.size()};
}

TEST_F(TakenBodyTest, StaysAsItIsWhileTheConnectionGoesOn) {
  Peer peer = Connect();
  Send(peer, Post("/later", "first"));
  ASSERT_EQ(held_.size(), 1u);
  const TakenBody body = held_[0]->TakeBody();
  EXPECT_TRUE(held_[0]->body().empty());
  held_[0]->Send(200, "text/plain");
  loop_.RunUntilIdle();
  EXPECT_EQ(TakeOne(peer).status, 200);
  EXPECT_EQ(Ask(peer, Post("/echo", "other")).body, "other");
  EXPECT_EQ(Text(body), "first");
}

TEST_F(TakenBodyTest, OutlivesItsConnection) {
  Peer peer = Connect();
  Send(peer, Post("/later", "first"));
  const TakenBody body = held_[0]->TakeBody();
  held_.clear();
  peer.Reset();
  loop_.RunUntilIdle();
  EXPECT_EQ(Text(body), "first");
}

TEST_F(TakenBodyTest, IsAlignedForEveryNumber) {
  Peer peer = Connect();
  for (const std::size_t size : {0u, 1u, 1025u, 100'000u}) {
    Send(peer, Post("/later", std::string(size, 'x')));
    const TakenBody body = held_.back()->TakeBody();
    EXPECT_EQ(body.bytes.size(), size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(body.bytes.data()) % alignof(std::max_align_t), 0u);
    held_.back()->Send(200, "text/plain");
    loop_.RunUntilIdle();
    peer.TakeReceived();
  }
}

TEST_F(TakenBodyTest, IsChargedToTheBudgetUntilItIsLetGo) {
  Peer peer = Connect();
  Send(peer, Post("/later", std::string(100'000, 'x')));
  const std::size_t charged = context_->budget.used();
  EXPECT_GE(charged, 90'000u);
  TakenBody body = held_[0]->TakeBody();
  held_[0]->Send(200, "text/plain");
  loop_.RunUntilIdle();
  EXPECT_EQ(TakeOne(peer).status, 200);
  EXPECT_EQ(context_->budget.used(), charged);
  body = {};
  EXPECT_EQ(context_->budget.used(), 0u);
}

TEST_F(TakenBodyTest, ExpandsFirst) {
  options_.max_body_bytes = 1u << 20;
  Peer peer = Connect();
  Send(peer,
       "POST /later?a=1&b=&a=2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
       "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  ASSERT_EQ(held_.size(), 1u);
  EXPECT_EQ(held_[0]->query_names(), (std::vector<std::string_view>{"a", "b", "a"}));
  EXPECT_EQ(Text(held_[0]->TakeBody()), "abcde");
}

}  // namespace
}  // namespace muster::server::http
