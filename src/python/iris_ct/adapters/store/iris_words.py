"""Words that InterSystems SQL reserves, and a few that are better left alone as names.

From the page "Reserved words" of the InterSystems SQL Reference; words that begin with a percent
sign are no names of ours anyway.
"""

_WORDS = """
    absolute add all allocate alter and any are as asc assertion at authorization avg begin
    between bit bit_length both by cascade case cast char char_length character
    character_length check close coalesce collate commit connect connection constraint
    constraints continue convert corresponding count create cross current current_date
    current_time current_timestamp current_user cursor date deallocate dec decimal declare
    default deferrable deferred delete desc describe descriptor diagnostics disconnect distinct
    domain double drop else end endexec escape except exception exec execute exists external
    extract false fetch first float for foreign found from full get global go goto grant group
    having hour identity immediate in indicator initially inner input insensitive insert int
    integer intersect interval into is isolation join key language last leading left level like
    local lower match max min minute module names national natural nchar next no not null nullif
    numeric octet_length of on only open option or order outer output overlaps pad partial
    prepare preserve primary prior privileges procedure public read real references relative
    restrict revoke right role rollback rows schema scroll second section select session_user
    set shard smallint some space sqlerror sqlstate statistics substring sum sysdate system_user
    table temporary then time timestamp timezone_hour timezone_minute to top trailing
    transaction trim true union unique update upper user using value values varchar varying when
    whenever where with work write
"""

RESERVED = frozenset(_WORDS.split())
