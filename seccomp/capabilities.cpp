#include "seccomp/capabilities.hpp"
