// Boost.JSON, compiled here once for the daemon and its clients.
#include <boost/json/src.hpp>
