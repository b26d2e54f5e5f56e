#pragma once

// Every use of Boost.Asio goes through this header: it is compiled by few translation units, all
// with the same settings.

#if defined(__SANITIZE_THREAD__)
// ThreadSanitizer knows no fences. Asio's are redundant here: its queues are guarded by mutexes.
#define BOOST_ASIO_DISABLE_FENCED_BLOCK
#endif

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
