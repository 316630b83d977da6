/** QuorumStore passes the conformance suite with an even number of members. */
import { testQuorum } from './quorum-conformance.js';

testQuorum(4);
