// tapioca: shows and changes what running instances of passt and pasta do. tapioca_subcommand.cpp lists what it can.
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_command.hpp"
#include "daemon/client/tapioca_subcommand.hpp"
#include "daemon/config/early_exit.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>

int main(int argc, char** argv)
{
    try {
        const auto command = tapioca::client::parse_tapioca_command({argv, static_cast<std::size_t>(argc)});
        return command.what->run(command);
    } catch (const tapioca::early_exit& early) {
        std::fputs(early.text.c_str(), early.to_stdout ? stdout : stderr);
        return early.status;
    } catch (const std::exception& failure) {
        tapioca::client::complain(failure.what());
    }
    return EXIT_FAILURE;
}
